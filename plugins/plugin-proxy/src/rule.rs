//! A rule that runs: what it matches, and the upstream behind it.

use std::{sync::Arc, time::Duration};

use buntime_core::path_pattern::PublicPaths;
use buntime_http::upstream::{Protocol, SetupError, Upstream};
use http::{Uri, uri::PathAndQuery};
use regex::Regex;
use tokio_util::sync::CancellationToken;

use crate::{config::RuleSettings, draft::Draft, health::Attempts};

/// One rule. Immutable; shared by the table and the exchanges under way.
#[derive(Debug)]
pub(crate) struct Rule {
    id: String,
    label: Arc<str>,
    settings: RuleSettings,
    pub(crate) draft: Draft,
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) upstream: Upstream,
    /// WebSockets begin as HTTP/1.1, whatever else is spoken.
    pub(crate) sockets: Upstream,
    pub(crate) attempts: Arc<Attempts>,
    /// Ends relayed connections where no listener says when.
    pub(crate) stopping: CancellationToken,
}

impl Rule {
    /// Makes ready what the rule at that position needs; connects when the first request comes.
    ///
    /// # Errors
    /// When its TLS cannot be set up.
    pub(crate) fn open(
        index: usize,
        settings: RuleSettings,
        draft: Draft,
        stopping: CancellationToken,
    ) -> Result<Self, SetupError> {
        let mut options = draft.upstream(&settings);
        let upstream = Upstream::new(&options)?;
        let speaks_http1 =
            options.protocol == Protocol::Http1 || (options.protocol == Protocol::Auto && !draft.target.is_https);
        let sockets = if speaks_http1 || !settings.ws {
            upstream.clone()
        } else {
            options.protocol = Protocol::Http1;
            Upstream::new(&options)?
        };
        Ok(Self {
            id: settings.id_at(index),
            label: format!("proxy:{}", settings.name_at(index)).into(),
            timeout: settings.timeout.map(Duration::from),
            idle_timeout: settings.idle_timeout.map(Duration::from),
            upstream,
            sockets,
            attempts: Arc::default(),
            stopping,
            settings,
            draft,
        })
    }

    /// Its id in the admin API.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// `proxy:` and its name.
    pub(crate) fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.label.strip_prefix("proxy:").unwrap_or(&self.label)
    }

    pub(crate) fn settings(&self) -> &RuleSettings {
        &self.settings
    }

    pub(crate) fn pattern(&self) -> &Regex {
        &self.draft.pattern
    }

    pub(crate) fn public(&self) -> &PublicPaths {
        &self.draft.public
    }

    pub(crate) fn takes_sockets(&self) -> bool {
        self.settings.ws
    }

    pub(crate) fn is_guarded(&self) -> bool {
        self.settings.guard
    }

    /// What is asked for upstream when a client asks for `uri`. `None`: the rewrite makes of it what is no path.
    pub(crate) fn upstream_uri(&self, uri: &Uri) -> Option<Uri> {
        let prefix = &*self.draft.target.prefix;
        let Some(rewrite) = &self.draft.rewrite else {
            if prefix.is_empty() {
                let same = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
                return Some(Uri::from(same));
            }
            return joined(prefix, uri.path(), uri.query());
        };
        let mut path = String::with_capacity(prefix.len() + uri.path().len() + 32);
        rewrite.expand(&self.draft.pattern, uri.path(), &mut path);
        // Groups put together may make what the client's own path was not allowed to have.
        let only_path = path.split('?').next().unwrap_or_default();
        if only_path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return None;
        }
        joined(prefix, &path, uri.query())
    }
}

/// A path that may bring a query of its own, below a prefix, with the client's query behind.
fn joined(prefix: &str, path: &str, query: Option<&str>) -> Option<Uri> {
    let mut target = String::with_capacity(prefix.len() + path.len() + query.map_or(0, |query| query.len() + 1));
    target.push_str(prefix);
    target.push_str(path);
    if let Some(query) = query {
        target.push(if path.contains('?') { '&' } else { '?' });
        target.push_str(query);
    }
    PathAndQuery::try_from(target).ok().map(Uri::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, target: &str, rewrite: Option<&str>, uri: &str, expect: Option<&str>) {
        let settings = RuleSettings { rewrite: rewrite.map(str::to_owned), ..RuleSettings::new(pattern, target) };
        let draft = Draft::read(0, &settings).unwrap();
        let rule = Rule::open(0, settings, draft, CancellationToken::new()).unwrap();
        let made = rule.upstream_uri(&uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(made.as_deref(), expect, "{uri}");
    }

    #[test]
    fn paths_and_queries() {
        let plain = "http://h:1";
        check("^/", plain, None, "/a/b?c=d&e", Some("/a/b?c=d&e"));
        check("^/", "http://h/v1/", None, "/a?x", Some("/v1/a?x"));
        check("^/l/(.*)$", plain, Some("/$1"), "/l/a%20b?x=%2F", Some("/a%20b?x=%2F"));
        check("^/l/(.*)$", "http://h/v1", Some("$1"), "/l/a", Some("/v1/a"));
        check("^/l/(.*)$", plain, Some("/s?q=$1"), "/l/a?x=1", Some("/s?q=a&x=1"));
        check("^/l/(.*)$", plain, Some("/s?q=$1"), "/l/a", Some("/s?q=a"));
        check("^/(.)/(.)/(.*)$", plain, Some("/$1$2/$3"), "/./x/y", Some("/.x/y"));
        check("^/(.)x(.)/(.*)$", plain, Some("/$1$2/$3"), "/.x./y", None);
        check("^/(.*)$", plain, Some("$1"), "/@evil.example/", Some("/@evil.example/"));
    }
}
