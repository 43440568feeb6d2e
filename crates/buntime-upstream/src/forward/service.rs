//! A service's route as a handler: the request's path, perhaps without what the route matched, to the service's
//! cluster.

use std::{fmt, sync::Arc};

use buntime_config::model::RoutePath;
use buntime_core::{Cx, Error, ErrorKind, Handler, Http, HttpResponse, Step};
use http::{Uri, uri::PathAndQuery};

use super::{Destination, ForwardOptions};

/// What a route says about its requests' way upstream.
#[derive(Clone, Debug, Default)]
pub struct RouteOptions {
    /// `stripPath`: the route's paths; the longest that a request's path matches is removed. Empty: nothing is.
    pub strip: Vec<RoutePath>,
    /// `preserveHost`, and the rest that its service leaves as it is.
    pub forward: ForwardOptions,
}

/// The handler of a route: see [`ServiceRoute::new`].
pub struct ServiceRoute<D> {
    destination: Arc<D>,
    options: RouteOptions,
}

impl<D: Destination> ServiceRoute<D> {
    /// The handler of a route whose service is reached by that cluster.
    #[expect(clippy::new_ret_no_self, reason = "who routes wants a handler; the type is of no use to anybody")]
    pub fn new(destination: Arc<D>, mut options: RouteOptions) -> Arc<dyn Handler<Http>> {
        // Prefixes before patterns, the longest first: as a router prefers them.
        options.strip.sort_by_key(|path| match path {
            RoutePath::Prefix(prefix) => (false, std::cmp::Reverse(prefix.len())),
            RoutePath::Regex(_) => (true, std::cmp::Reverse(0)),
        });
        Arc::new(Self { destination, options })
    }

    async fn forward(&self, cx: &mut Cx<Http>) -> Result<HttpResponse, Error> {
        let path = stripped(&cx.request().uri, &self.options.strip).ok_or_else(|| {
            Error::new(ErrorKind::Malformed).with_detail("Without what the route matched, this is no path")
        })?;
        self.options.forward.send(&*self.destination, cx, path).await
    }
}

impl<D: Destination> Handler<Http> for ServiceRoute<D> {
    fn call<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, HttpResponse, Error> {
        Step::later(self.forward(cx))
    }

    fn keeps_time(&self) -> bool {
        true
    }
}

impl<D> fmt::Debug for ServiceRoute<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceRoute").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The path and query to ask for. `None`: what is left has a segment that would lead elsewhere.
fn stripped(uri: &Uri, strip: &[RoutePath]) -> Option<PathAndQuery> {
    let path = uri.path();
    let rest = strip.iter().find_map(|matched| match matched {
        RoutePath::Prefix(prefix) if prefix == "/" => Some(path),
        RoutePath::Prefix(prefix) => {
            path.strip_prefix(&**prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        RoutePath::Regex(pattern) => {
            pattern.find(path).filter(|found| found.start() == 0).map(|found| &path[found.end()..])
        }
    });
    let Some(rest) = rest.filter(|rest| rest.len() != path.len()) else {
        return Some(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    };
    // A pattern may end within a segment.
    if rest.split('/').any(|segment| matches!(segment, "." | "..")) {
        return None;
    }
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let query = uri.query();
    let made = [slash, rest, query.map_or("", |_| "?"), query.unwrap_or_default()].concat();
    PathAndQuery::try_from(made).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(strip: &[&str], uri: &str, expect: Option<&str>) {
        let strip: Vec<RoutePath> = strip.iter().map(|path| path.parse().unwrap()).collect();
        let made = stripped(&uri.parse().unwrap(), &strip);
        assert_eq!(made.as_ref().map(PathAndQuery::as_str), expect, "{uri}");
    }

    #[test]
    fn what_was_matched_is_removed_by_whole_segments() {
        check(&[], "/a/b?c", Some("/a/b?c"));
        check(&["/a"], "/a/b?c=/a", Some("/b?c=/a"));
        check(&["/a"], "/a", Some("/"));
        check(&["/a"], "/a?x", Some("/?x"));
        check(&["/a"], "/ab", Some("/ab"));
        check(&["/"], "/a/b", Some("/a/b"));
        check(&["/a/b", "/a"], "/a/b/c", Some("/c"));
        check(&["~^/v[0-9]+"], "/v12/x", Some("/x"));
        check(&["~^/v[0-9]+"], "/v12beta", Some("/beta"));
        check(&["~/v[0-9]+"], "/x/v1", Some("/x/v1"));
        check(&["~^/x"], "/x../secret", None);
    }
}
