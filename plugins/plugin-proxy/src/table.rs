//! The table of rules: frozen, in order, swapped whole. What the server's router asks, and what the hook asks where
//! there is no router.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use buntime_core::{Matched, RouteMatch, RouteSource};
use buntime_upstream::forward::websocket;
use http::request;
use serde_json::{Value, json};

use crate::rule::Rule;

/// The rules of one moment. Static ones first.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Box<[Entry]>,
}

#[derive(Debug)]
struct Entry {
    rule: Arc<Rule>,
    prefix: Box<str>,
    /// What a match is told as; made once, not for each request.
    matched: Arc<Matched>,
    matched_public: Arc<Matched>,
}

impl Table {
    /// These rules, in this order.
    pub(crate) fn new(rules: Vec<Arc<Rule>>, plugin: &Arc<str>) -> Self {
        let entry = |rule: Arc<Rule>| {
            let matched = |public| {
                Arc::new(Matched {
                    label: rule.label().clone(),
                    plugin: Some(plugin.clone()),
                    public,
                    data: Some(rule.clone()),
                })
            };
            let (open, guarded) = (matched(true), matched(false));
            let prefix = literal_prefix(rule.pattern().as_str()).into();
            Entry { rule, prefix, matched: guarded, matched_public: open }
        };
        Self { entries: rules.into_iter().map(entry).collect() }
    }

    /// The rules, in order.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.entries.iter().map(|entry| &entry.rule)
    }

    /// The first rule that takes this request.
    pub(crate) fn find(&self, head: &request::Parts) -> Option<&Arc<Rule>> {
        self.entry(head).map(|entry| &entry.rule)
    }

    fn entry(&self, head: &request::Parts) -> Option<&Entry> {
        let path = head.uri.path();
        let is_socket = websocket::is_asked_for(head);
        self.entries.iter().find(|entry| {
            (!is_socket || entry.rule.takes_sockets())
                && path.starts_with(&*entry.prefix)
                && entry.rule.pattern().is_match(path)
        })
    }
}

/// The table as it is now. Rules that are added while it runs are swapped in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Arc<ArcSwap<Table>>);

impl Rules {
    pub(crate) fn new(table: Table) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(table)))
    }

    /// The table of this moment.
    pub(crate) fn now(&self) -> Guard<Arc<Table>> {
        self.0.load()
    }
}

impl RouteSource for Rules {
    fn find(&self, head: &request::Parts) -> Option<RouteMatch> {
        let table = self.now();
        let entry = table.entry(head)?;
        let is_public = !entry.rule.public().is_empty() && entry.rule.public().has(&head.method, head.uri.path());
        let matched = if is_public { &entry.matched_public } else { &entry.matched };
        Some(RouteMatch { matched: matched.clone(), handler: entry.rule.clone() })
    }

    fn list(&self) -> Vec<Value> {
        let route = |rule: &Arc<Rule>| {
            json!({
                "label": &**rule.label(),
                "pattern": rule.pattern().as_str(),
                "target": rule.settings().target,
                "guard": rule.settings().guard,
                "ws": rule.settings().ws,
            })
        };
        self.now().rules().map(route).collect()
    }
}

/// What every path that an anchored pattern matches begins with: compared before the pattern is run.
fn literal_prefix(pattern: &str) -> String {
    let Some(rest) = pattern.strip_prefix('^').filter(|rest| !rest.contains('|')) else { return String::new() };
    let mut prefix = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => chars.next().filter(char::is_ascii_punctuation),
            '.' | '^' | '$' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' => None,
            other => Some(other),
        };
        let Some(literal) = literal else { break };
        // What is repeated may be missing.
        if matches!(chars.peek(), Some('?' | '*' | '+' | '{')) {
            break;
        }
        prefix.push(literal);
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prefixes() {
        for (pattern, prefix) in [
            ("^/legacy/(.*)$", "/legacy/"),
            ("^/v1\\.0/x", "/v1.0/x"),
            ("^/ab?c", "/a"),
            ("^/a\\d", "/a"),
            ("^/a|^/b", ""),
            ("(?i)^/a", ""),
            ("/a", ""),
            ("^/ab{2}", "/a"),
            ("^/$", "/"),
        ] {
            assert_eq!(literal_prefix(pattern), prefix, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_never_hides_a_match(
            pattern in r"\^(/|a|b|\.|\\\.|a\?|b\*|\(a\)|\[ab\]|a\|b|\$){0,8}",
            path in "/[ab./]{0,8}",
        ) {
            let regex = regex::Regex::new(&pattern);
            prop_assume!(regex.is_ok());
            if regex.unwrap().is_match(&path) {
                prop_assert!(path.starts_with(&literal_prefix(&pattern)), "{} {}", pattern, path);
            }
        }
    }
}
