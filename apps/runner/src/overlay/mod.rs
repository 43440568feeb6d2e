//! What was changed through the admin API, kept apart from the file: single keys of single plugins, each with the
//! version at which it was changed.
//!
//! Whose word counts: a key that the file says nothing about is the overlay's. Where the file speaks of the same key,
//! a change counts until the file is loaded again (by a restart or a reload), on every node that shares the database;
//! from then on the file wins. Versions tell the two apart.

pub(crate) mod merge;
pub(crate) mod store;

use std::fmt;

use buntime_core::{Catalog, PluginName};
use serde_json::Value;

/// Which key of a plugin was changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The plugin itself was added.
    Added,
    Enabled,
    Placement,
    Order,
    Priority,
    /// A top-level setting of its own. The value is a JSON merge patch (RFC 7396); `null` takes it away.
    Config(String),
}

impl Key {
    /// As it is stored and shown.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "added" => Self::Added,
            "enabled" => Self::Enabled,
            "placement" => Self::Placement,
            "order" => Self::Order,
            "priority" => Self::Priority,
            other => Self::Config(other.strip_prefix("config/")?.to_owned()),
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => f.write_str("added"),
            Self::Enabled => f.write_str("enabled"),
            Self::Placement => f.write_str("placement"),
            Self::Order => f.write_str("order"),
            Self::Priority => f.write_str("priority"),
            Self::Config(key) => write!(f, "config/{key}"),
        }
    }
}

/// One changed key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) plugin: PluginName,
    pub(crate) key: Key,
    pub(crate) value: Value,
    pub(crate) version: i64,
}

/// Every change that is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Overlay {
    /// Grows with every change, on whichever node it was made.
    pub(crate) version: i64,
    pub(crate) changes: Vec<Change>,
}

impl Overlay {
    /// Was this plugin added through the admin API?
    pub(crate) fn has_added(&self, plugin: &PluginName) -> bool {
        self.get(plugin, &Key::Added).is_some()
    }

    /// What is kept for a key.
    pub(crate) fn get(&self, plugin: &PluginName, key: &Key) -> Option<&Change> {
        self.changes.iter().find(|change| change.plugin == *plugin && change.key == *key)
    }

    /// Leaves out plugins that were added with a build that knew them: what is kept of them stays kept.
    pub(crate) fn without_unknown(mut self, catalog: &Catalog) -> Self {
        let unknown: Vec<PluginName> = self
            .changes
            .iter()
            .filter(|change| change.key == Key::Added && catalog.get(&change.plugin).is_none())
            .map(|change| change.plugin.clone())
            .collect();
        for name in &unknown {
            tracing::warn!(
                plugin = name.as_str(),
                "it was added through the admin API, and this build does not know it"
            );
            self.forget(name);
        }
        self
    }

    /// Sets a key at the next version.
    pub(crate) fn set(&mut self, plugin: &PluginName, key: Key, value: Value) {
        self.changes.retain(|change| change.plugin != *plugin || change.key != key);
        self.changes.push(Change { plugin: plugin.clone(), key, value, version: self.version + 1 });
    }

    /// Forgets everything about a plugin.
    pub(crate) fn forget(&mut self, plugin: &PluginName) {
        self.changes.retain(|change| change.plugin != *plugin);
    }

    /// What is kept for a plugin.
    pub(crate) fn of<'a>(&'a self, plugin: &'a PluginName) -> impl Iterator<Item = &'a Change> {
        self.changes.iter().filter(move |change| change.plugin == *plugin)
    }
}
