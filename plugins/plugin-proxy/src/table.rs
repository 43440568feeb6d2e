//! The table of rules: frozen, in order, swapped whole. What the server's router asks, and what the hook asks where
//! there is no router.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use buntime_core::{Matched, RouteMatch, RouteSource};
use buntime_router::Patterns;
use buntime_upstream::forward::websocket;
use http::request;
use serde_json::{Value, json};

use crate::{dynamic::Dynamic, rule::Rule};

/// The rules of one moment.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Those that are on; static ones first.
    patterns: Patterns<Arc<Entry>>,
    statics: Arc<[Arc<Entry>]>,
    dynamic: Arc<[Dynamic]>,
    version: i64,
}

/// A rule, and what a match is told as; made once, not for each request.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) rule: Arc<Rule>,
    matched: Arc<Matched>,
    matched_public: Arc<Matched>,
}

impl Entry {
    /// Of a rule of that plugin.
    pub(crate) fn new(rule: Rule, plugin: &Arc<str>) -> Self {
        let rule = Arc::new(rule);
        let matched = |public| {
            Arc::new(Matched {
                label: rule.label().clone(),
                plugin: Some(plugin.clone()),
                public,
                data: Some(rule.clone()),
            })
        };
        Self { matched: matched(false), matched_public: matched(true), rule }
    }

    /// A match of it, told as `public` or not.
    fn matched(&self, public: bool) -> RouteMatch {
        let matched = if public { &self.matched_public } else { &self.matched };
        RouteMatch { matched: matched.clone(), handler: self.rule.clone() }
    }
}

impl Table {
    /// Those of the file, then those of the database as of `version`. Takes a while when there are thousands.
    pub(crate) fn new(statics: Arc<[Arc<Entry>]>, dynamic: Arc<[Dynamic]>, version: i64) -> Self {
        let kept = dynamic.iter().filter(|kept| kept.enabled).filter_map(|kept| kept.rule.as_ref().ok());
        let entries = statics.iter().chain(kept);
        let patterns = entries.map(|entry| (entry.rule.pattern().clone(), entry.clone())).collect();
        Self { patterns, statics, dynamic, version }
    }

    /// The rules that are tried, in order.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.patterns.iter().map(|(_, entry)| &entry.rule)
    }

    /// Those of the file.
    pub(crate) fn statics(&self) -> &[Arc<Entry>] {
        &self.statics
    }

    /// Those of the database, on or off.
    pub(crate) fn dynamic(&self) -> &[Dynamic] {
        &self.dynamic
    }

    /// Which state of the database this is.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// The first rule that takes this request.
    pub(crate) fn find<'a>(&'a self, head: &'a request::Parts) -> Option<&'a Arc<Rule>> {
        self.entry(head).map(|entry| &entry.rule)
    }

    fn entry<'a>(&'a self, head: &'a request::Parts) -> Option<&'a Arc<Entry>> {
        let path = head.uri.path();
        if !websocket::is_asked_for(head) {
            return self.patterns.find(path).map(|hit| hit.value);
        }
        self.patterns.find_all(path).map(|hit| hit.value).find(|entry| entry.rule.takes_sockets())
    }
}

/// The table as it is now.
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

    /// Another table from now on; exchanges under way keep the rule they found.
    pub(crate) fn swap(&self, table: Table) {
        self.0.store(Arc::new(table));
    }
}

impl RouteSource for Rules {
    fn find(&self, head: &request::Parts) -> Option<RouteMatch> {
        let table = self.now();
        let entry = table.entry(head)?;
        let public = entry.rule.public();
        Some(entry.matched(!public.is_empty() && public.has(&head.method, head.uri.path())))
    }

    fn list(&self) -> Vec<Value> {
        let route = |rule: &Arc<Rule>| {
            json!({
                "label": &**rule.label(),
                "pattern": rule.pattern().as_str(),
                "target": rule.settings().target,
                "service": rule.settings().service,
                "guard": rule.settings().guard,
                "ws": rule.settings().ws,
            })
        };
        self.now().rules().map(route).collect()
    }
}
