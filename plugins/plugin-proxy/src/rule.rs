//! A rule that runs: what it matches, and the upstream behind it.

use std::{sync::Arc, time::Duration};

use buntime_core::path_pattern::PublicPaths;
use buntime_http::upstream::SetupError;
use buntime_upstream::ForwardOptions;
use http::{Uri, header, uri::PathAndQuery};
use regex::Regex;
use tokio_util::sync::CancellationToken;

use crate::{config::RuleSettings, draft::Draft, single::Single};

/// One rule. Immutable; shared by the table and the exchanges under way.
#[derive(Debug)]
pub(crate) struct Rule {
    id: String,
    label: Arc<str>,
    settings: RuleSettings,
    pub(crate) draft: Draft,
    pub(crate) forward: ForwardOptions,
    pub(crate) destination: Arc<Single>,
}

impl Rule {
    /// Makes ready what a rule needs; connects when the first request comes. `stopping` ends relayed
    /// connections where no listener says when.
    ///
    /// # Errors
    /// When its TLS cannot be set up.
    pub(crate) fn open(
        id: &str,
        name: &str,
        settings: RuleSettings,
        draft: Draft,
        stopping: CancellationToken,
    ) -> Result<Self, SetupError> {
        let forward = ForwardOptions {
            preserve_host: !settings.change_origin,
            target_origin: settings.change_origin,
            // What is edited must not be compressed.
            remove: draft.html.iter().map(|_| header::ACCEPT_ENCODING).collect(),
            set: draft.headers.clone(),
            websockets: settings.ws,
            idle_timeout: settings.idle_timeout.map(Duration::from),
            max_message: settings.max_message_size.as_usize(),
            stopping,
        };
        Ok(Self {
            id: id.to_owned(),
            label: format!("proxy:{name}").into(),
            destination: Arc::new(Single::open(&settings, &draft)?),
            forward,
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

    /// What is asked for upstream when a client asks for `uri`, without the target's own prefix. `None`: the rewrite
    /// makes of it what is no path.
    pub(crate) fn upstream_path(&self, uri: &Uri) -> Option<PathAndQuery> {
        let Some(rewrite) = &self.draft.rewrite else {
            return Some(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        };
        let mut path = String::with_capacity(uri.path().len() + 32);
        rewrite.expand(&self.draft.pattern, uri.path(), &mut path);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, target: &str, rewrite: Option<&str>, uri: &str, expect: Option<&str>) {
        let settings = RuleSettings { rewrite: rewrite.map(str::to_owned), ..RuleSettings::new(pattern, target) };
        let draft = Draft::read("", &settings).unwrap();
        let rule = Rule::open("a", "a", settings, draft, CancellationToken::new()).unwrap();
        let made = rule.upstream_path(&uri.parse().unwrap()).map(|path| path.to_string());
        assert_eq!(made.as_deref(), expect, "{uri}");
    }

    #[test]
    fn paths_and_queries() {
        let plain = "http://h:1";
        check("^/", plain, None, "/a/b?c=d&e", Some("/a/b?c=d&e"));
        check("^/", "http://h/v1/", None, "/a?x", Some("/a?x"));
        check("^/l/(.*)$", plain, Some("/$1"), "/l/a%20b?x=%2F", Some("/a%20b?x=%2F"));
        check("^/l/(.*)$", "http://h/v1", Some("$1"), "/l/a", Some("/a"));
        check("^/l/(.*)$", plain, Some("/s?q=$1"), "/l/a?x=1", Some("/s?q=a&x=1"));
        check("^/l/(.*)$", plain, Some("/s?q=$1"), "/l/a", Some("/s?q=a"));
        check("^/(.)/(.)/(.*)$", plain, Some("/$1$2/$3"), "/./x/y", Some("/.x/y"));
        check("^/(.)x(.)/(.*)$", plain, Some("/$1$2/$3"), "/.x./y", None);
        check("^/(.*)$", plain, Some("$1"), "/@evil.example/", Some("/@evil.example/"));
    }
}
