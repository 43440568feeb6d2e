//! A rule that runs: what it matches, and the upstream behind it.

use std::{sync::Arc, time::Duration};

use buntime_router::path_pattern::PublicPaths;
use buntime_upstream::ForwardOptions;
use http::{Uri, header, uri::PathAndQuery};
use regex::Regex;
use tokio_util::sync::CancellationToken;

use crate::{config::RuleSettings, destination::Leads, draft::Draft};

/// One rule. Immutable; shared by the table and the exchanges under way.
#[derive(Debug)]
pub(crate) struct Rule {
    id: String,
    label: Arc<str>,
    settings: RuleSettings,
    pub(crate) draft: Draft,
    pub(crate) forward: ForwardOptions,
    pub(crate) leads: Leads,
}

impl Rule {
    /// A rule that was read, with what it leads to. `label`: `proxy:` and its name; `stopping` ends relayed connections
    /// where no listener says when.
    pub(crate) fn new(
        id: &str,
        label: Arc<str>,
        settings: RuleSettings,
        draft: Draft,
        leads: Leads,
        stopping: CancellationToken,
    ) -> Self {
        let forward = ForwardOptions {
            preserve_host: !settings.change_origin,
            target_origin: settings.change_origin,
            // What is edited must not be compressed.
            remove: draft.html.iter().map(|_| header::ACCEPT_ENCODING).collect(),
            set: draft.headers.clone(),
            websockets: settings.ws,
            timeout: settings.timeout.map(Duration::from),
            idle_timeout: settings.idle_timeout.map(Duration::from),
            max_message: settings.max_message_size.as_usize(),
            stopping,
        };
        Self { id: id.to_owned(), label, forward, leads, settings, draft }
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

    /// What is asked for upstream when a client asks for `uri`, without the target's own prefix. `None`: the rewrite
    /// makes of it what is no path.
    pub(crate) fn upstream_path(&self, uri: &Uri) -> Option<PathAndQuery> {
        upstream_path(&self.draft, uri)
    }
}

fn upstream_path(draft: &Draft, uri: &Uri) -> Option<PathAndQuery> {
    let Some(rewrite) = &draft.rewrite else {
        return Some(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    };
    let mut path = String::with_capacity(uri.path().len() + 32);
    rewrite.expand(&draft.pattern, uri.path(), &mut path);
    // Groups put together may make what the client's own path was not allowed to have.
    let only_path = path.split('?').next().unwrap_or_default();
    if only_path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return None;
    }
    if let Some(query) = uri.query() {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(query);
    }
    PathAndQuery::try_from(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, rewrite: Option<&str>, uri: &str, expect: Option<&str>) {
        let settings =
            RuleSettings { rewrite: rewrite.map(str::to_owned), ..RuleSettings::new(pattern, "http://h/v1") };
        let made = upstream_path(&Draft::read("", &settings).unwrap(), &uri.parse().unwrap());
        assert_eq!(made.as_ref().map(PathAndQuery::as_str), expect, "{uri}");
    }

    #[test]
    fn paths_and_queries() {
        check("^/", None, "/a/b?c=d&e", Some("/a/b?c=d&e"));
        check("^/l/(.*)$", Some("/$1"), "/l/a%20b?x=%2F", Some("/a%20b?x=%2F"));
        check("^/l/(.*)$", Some("$1"), "/l/a", Some("/a"));
        check("^/l/(.*)$", Some("/s?q=$1"), "/l/a?x=1", Some("/s?q=a&x=1"));
        check("^/l/(.*)$", Some("/s?q=$1"), "/l/a", Some("/s?q=a"));
        check("^/(.)/(.)/(.*)$", Some("/$1$2/$3"), "/./x/y", Some("/.x/y"));
        check("^/(.)x(.)/(.*)$", Some("/$1$2/$3"), "/.x./y", None);
        check("^/(.*)$", Some("$1"), "/@evil.example/", Some("/@evil.example/"));
    }
}
