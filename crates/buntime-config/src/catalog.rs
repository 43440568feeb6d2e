//! What the configuration must know of plugins. The program that knows them implements this.

use std::collections::BTreeMap;

use buntime_core::metadata::PluginName;
use serde_json::Value;

/// A mistake that a plugin found in its own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsProblem {
    /// A JSON pointer into the settings; empty for all of them.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// The plugins a program knows.
pub trait PluginCatalog {
    /// Their names.
    fn names(&self) -> Vec<PluginName>;

    /// The JSON schema of one's settings, as schemars writes it. `None`: any object is fine.
    fn settings_schema(&self, name: &PluginName) -> Option<Value>;

    /// Judges settings that fit the schema. Called for the gateway's entries only: what a more specific scope says is
    /// a part of the settings, and is judged when it is merged.
    fn check(&self, name: &PluginName, settings: &Value) -> Vec<SettingsProblem>;

    /// The base one asks for unless its entry says otherwise. `None` is `/p/<name>`.
    fn default_base(&self, _name: &PluginName) -> Option<String> {
        None
    }
}

/// A catalog from a list of names and schemas, without checks: for programs with no plugins of their own, and tests.
#[derive(Clone, Debug, Default)]
pub struct FixedCatalog {
    plugins: BTreeMap<PluginName, Option<Value>>,
}

impl FixedCatalog {
    /// Knows no plugin.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a plugin, with the schema of its settings or none.
    #[must_use]
    pub fn with(mut self, name: &str, schema: Option<Value>) -> Self {
        self.plugins.insert(PluginName::new(name), schema);
        self
    }
}

impl PluginCatalog for FixedCatalog {
    fn names(&self) -> Vec<PluginName> {
        self.plugins.keys().cloned().collect()
    }

    fn settings_schema(&self, name: &PluginName) -> Option<Value> {
        self.plugins.get(name).cloned().flatten()
    }

    fn check(&self, _: &PluginName, _: &Value) -> Vec<SettingsProblem> {
        Vec::new()
    }
}
