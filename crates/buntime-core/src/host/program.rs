//! What a program knows and what is configured: the catalog of plugins, entries, policies, scopes.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde_json::Value;

use crate::{
    host::load_error::LoadError,
    metadata::{Capability, Metadata, PluginName},
    options::{EntryOptions, FailureMode},
    plugin::Plugin,
    scope::Scopes,
    settings::SettingsSpec,
};

/// A plugin that the program knows.
#[derive(Clone)]
pub struct Registration {
    /// The plugin.
    pub plugin: Arc<dyn Plugin>,
    /// Is it in the runner's own list?
    pub builtin: bool,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("builtin", &self.builtin).finish_non_exhaustive()
    }
}

/// The plugins that the program knows. Names are unique.
#[derive(Clone, Default)]
pub struct Catalog(BTreeMap<PluginName, (Registration, Metadata)>);

impl Catalog {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a plugin that is not in the runner's own list.
    ///
    /// # Errors
    /// If one of that name is known already.
    pub fn add(&mut self, plugin: impl Plugin) -> Result<(), LoadError> {
        self.insert(Registration { plugin: Arc::new(plugin), builtin: false })
    }

    /// Adds a plugin compiled into the runner.
    ///
    /// # Errors
    /// If one of that name is known already.
    pub fn add_builtin(&mut self, plugin: impl Plugin) -> Result<(), LoadError> {
        self.insert(Registration { plugin: Arc::new(plugin), builtin: true })
    }

    fn insert(&mut self, registration: Registration) -> Result<(), LoadError> {
        let metadata = registration.plugin.metadata();
        let name = metadata.name.clone();
        if self.0.contains_key(&name) {
            return Err(LoadError::DuplicatePlugin(name));
        }
        self.0.insert(name, (registration, metadata));
        Ok(())
    }

    /// The plugins of that name.
    pub fn get(&self, name: &PluginName) -> Option<(&Registration, &Metadata)> {
        self.0.get(name).map(|(registration, metadata)| (registration, metadata))
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &PluginName> {
        self.0.keys()
    }

    /// What a plugin's settings must be.
    pub fn settings(&self, name: &PluginName) -> Option<SettingsSpec> {
        self.0.get(name).map(|(registration, _)| registration.plugin.settings())
    }

    pub(crate) fn nearest(&self, name: &PluginName) -> Option<PluginName> {
        let near = |known: &&PluginName| strsim::jaro_winkler(known.as_str(), name.as_str()) > 0.8;
        self.0
            .keys()
            .filter(near)
            .max_by(|a, b| {
                let score = |n: &PluginName| strsim::jaro_winkler(n.as_str(), name.as_str());
                score(a).total_cmp(&score(b))
            })
            .cloned()
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A configured plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Which.
    pub plugin: PluginName,
    /// The keys any plugin takes.
    pub options: EntryOptions,
    /// Its own settings.
    pub settings: Value,
}

impl Entry {
    /// An entry with these settings and no further options.
    pub fn new(plugin: &str, settings: Value) -> Self {
        Self { plugin: PluginName::new(plugin), options: EntryOptions::default(), settings }
    }

    /// The same with these options.
    #[must_use]
    pub fn with_options(mut self, options: EntryOptions) -> Self {
        self.options = options;
        self
    }
}

/// What may load, and what must.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Only these load; `None` means all, empty means none.
    pub allowlist: Option<BTreeSet<PluginName>>,
    /// Only plugins with no other capabilities load; same rule.
    pub allowed_capabilities: Option<BTreeSet<Capability>>,
    /// These must be loaded and started.
    pub required: Vec<PluginName>,
    /// For plugins that say nothing themselves.
    pub failure_mode: FailureMode,
}

/// What is configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// In the order of the configuration.
    pub entries: Vec<Entry>,
    /// What may load, and what must.
    pub policy: Policy,
    /// What services, routes, groups and consumers list.
    pub scopes: Scopes,
    /// What the host's owner wants to find again in the set that was made of this program.
    pub data: Attached,
}

impl Program {
    /// Does any level list that plugin?
    pub fn lists(&self, name: &PluginName) -> bool {
        let below = self.scopes.of_requests().chain(self.scopes.of_consumers());
        let mut below = below.flat_map(|scope| self.scopes.level(&scope).entries);
        self.entries.iter().any(|entry| entry.plugin == *name) || below.any(|entry| entry.plugin == *name)
    }
}

/// Something of any type that is carried along. Equal to what it was copied from.
#[derive(Clone, Default)]
pub struct Attached(Option<Arc<dyn Any + Send + Sync>>);

impl Attached {
    /// Carries that.
    pub fn new<T: Send + Sync + 'static>(data: Arc<T>) -> Self {
        Self(Some(data))
    }

    /// What is carried, if it is of that type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.clone()?.downcast().ok()
    }
}

impl PartialEq for Attached {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attached")
    }
}
