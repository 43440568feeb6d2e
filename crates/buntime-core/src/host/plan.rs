//! From what is configured to what will be started, and in which order. Pure: nothing of a plugin but its metadata and
//! the check of its settings runs here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde_json::Value;

use crate::{
    chain::OrderKey,
    host::order,
    metadata::{API_VERSION, ApiVersion, Capability, Metadata, PluginName},
    options::{EntryOptions, FailureMode, Placement},
    plugin::Plugin,
    settings::{SettingsProblem, SettingsSpec},
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

    fn nearest(&self, name: &PluginName) -> Option<PluginName> {
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
}

/// Why nothing is started. Names every plugin involved, and nothing else.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum LoadError {
    /// Two plugins of one name, known or configured.
    #[error("there are two plugins named `{0}`; remove one")]
    DuplicatePlugin(PluginName),
    /// Configured, and not known.
    #[error("there is no plugin `{name}`{}", suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownPlugin {
        /// As configured.
        name: PluginName,
        /// The nearest that is known.
        suggestion: Option<PluginName>,
    },
    /// A dependency that is not configured.
    #[error("`{plugin}` depends on `{dependency}`, which is not configured; add it to `plugins`")]
    MissingDependency {
        /// Who needs it.
        plugin: PluginName,
        /// What is needed.
        dependency: PluginName,
    },
    /// A plugin that depends on itself.
    #[error("`{0}` depends on itself")]
    SelfDependency(PluginName),
    /// Plugins that depend on each other.
    #[error("these plugins depend on each other in a circle: {}", join(.0))]
    Cycle(Vec<PluginName>),
    /// A required plugin that will not be started.
    #[error("the required plugin `{name}` is not started: {reason}")]
    Required {
        /// Which.
        name: PluginName,
        /// Why not.
        reason: String,
    },
    /// Settings it does not take.
    #[error("the settings of `{plugin}` are not valid: {problem}")]
    Settings {
        /// Which.
        plugin: PluginName,
        /// What is wrong.
        problem: SettingsProblem,
    },
    /// A base that is none.
    #[error("`{base}` of `{plugin}` is not a base: write letters, digits, `-`, `_` and `.`")]
    InvalidBase {
        /// Which.
        plugin: PluginName,
        /// As configured.
        base: String,
    },
    /// Two plugins on one base.
    #[error("`{first}` and `{second}` are both mounted at {base}; give one of them another `base`")]
    SameBase {
        /// The first.
        first: PluginName,
        /// The second.
        second: PluginName,
        /// The base.
        base: String,
    },
    /// A built-in plugin with a placement.
    #[error("`{0}` is built in and keeps its place; remove `placement` and use `priority` or `order`")]
    BuiltinPlacement(PluginName),
    /// A plugin that failed with failure mode `abort`.
    #[error("`{plugin}` failed to start: {reason}")]
    Startup {
        /// Which.
        plugin: PluginName,
        /// What it said.
        reason: String,
    },
    /// Too many hook sets in one chain.
    #[error("{0}")]
    Chain(String),
}

fn join(names: &[PluginName]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// What will become of an entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Start,
    Disabled(String),
    /// It cannot run here; its failure mode decides.
    Unfit(String),
}

/// One entry, ready to be started.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) entry: Entry,
    pub(crate) plugin: Arc<dyn Plugin>,
    pub(crate) metadata: Metadata,
    pub(crate) builtin: bool,
    pub(crate) base: String,
    pub(crate) key: OrderKey,
    /// Of those that are configured.
    pub(crate) depends_on: Vec<PluginName>,
    pub(crate) failure_mode: FailureMode,
    pub(crate) verdict: Verdict,
}

/// The entries in startup order, and what is worth a warning.
pub(crate) struct Plan {
    pub(crate) planned: Vec<Planned>,
    pub(crate) warnings: Vec<String>,
}

/// Where a plugin is mounted: `"mydb"`, `"/mydb"` and `"/p/mydb"` are all `/p/mydb`.
pub fn normalize_base(base: &str) -> Option<String> {
    let trimmed = base.trim_matches('/');
    let name = trimmed.strip_prefix("p/").unwrap_or(trimmed);
    let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fine = !name.is_empty() && name.chars().all(sane) && !name.chars().all(|c| c == '.');
    fine.then(|| format!("/p/{name}"))
}

/// Everything that is wrong, or the plan.
pub(crate) fn plan(catalog: &Catalog, program: &Program) -> Result<Plan, Vec<LoadError>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let mut planned: Vec<Planned> = Vec::new();
    let mut seen = BTreeSet::new();
    for (position, entry) in program.entries.iter().enumerate() {
        if !seen.insert(entry.plugin.clone()) {
            errors.push(LoadError::DuplicatePlugin(entry.plugin.clone()));
            continue;
        }
        match catalog.get(&entry.plugin) {
            None => errors.push(LoadError::UnknownPlugin {
                name: entry.plugin.clone(),
                suggestion: catalog.nearest(&entry.plugin),
            }),
            Some((registration, metadata)) => {
                planned.push(plan_entry(registration, metadata, entry, position, program, &mut errors, &mut warnings));
            }
        }
    }
    check_required(catalog, program, &planned, &mut errors);
    check_bases(&planned, &mut errors);
    link(&mut planned, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    match order::startup_order(&planned) {
        Ok(order) => {
            let mut slots: Vec<Option<Planned>> = planned.into_iter().map(Some).collect();
            let planned = order.into_iter().filter_map(|index| slots[index].take()).collect();
            Ok(Plan { planned, warnings })
        }
        Err(cycle) => Err(vec![LoadError::Cycle(cycle)]),
    }
}

fn plan_entry(
    registration: &Registration,
    metadata: &Metadata,
    entry: &Entry,
    position: usize,
    program: &Program,
    errors: &mut Vec<LoadError>,
    warnings: &mut Vec<String>,
) -> Planned {
    let name = &entry.plugin;
    let options = &entry.options;
    let verdict = verdict(metadata, entry, &program.policy);
    if let Verdict::Disabled(reason) = &verdict
        && options.enabled != Some(false)
    {
        warnings.push(format!("`{name}` is left out: {reason}"));
    }
    if verdict == Verdict::Start {
        let problems = registration.plugin.settings().check(&entry.settings);
        errors.extend(problems.into_iter().map(|problem| LoadError::Settings { plugin: name.clone(), problem }));
    }
    let asked = options.base.as_deref().or(metadata.base.as_deref()).unwrap_or(name.bare());
    let base = normalize_base(asked).unwrap_or_else(|| {
        errors.push(LoadError::InvalidBase { plugin: name.clone(), base: asked.to_owned() });
        format!("/p/{}", name.bare())
    });
    if registration.builtin && options.placement.is_some_and(|p| p != Placement::Builtin) {
        errors.push(LoadError::BuiltinPlacement(name.clone()));
    }
    let default_placement = if registration.builtin { Placement::Builtin } else { Placement::PostBuiltin };
    let required = program.policy.required.contains(name);
    Planned {
        entry: entry.clone(),
        plugin: registration.plugin.clone(),
        metadata: metadata.clone(),
        builtin: registration.builtin,
        base,
        key: OrderKey {
            placement: options.placement.or(metadata.placement).unwrap_or(default_placement),
            priority: options.priority.map_or(metadata.priority, |p| p.0),
            order: options.order.unwrap_or(0),
            position,
        },
        depends_on: metadata.depends_on.iter().chain(&options.depends_on).cloned().collect(),
        failure_mode: if required {
            FailureMode::Abort
        } else {
            options.failure_mode.or(metadata.failure_mode).unwrap_or(program.policy.failure_mode)
        },
        verdict,
    }
}

/// Before any code of the plugin but its metadata runs.
fn verdict(metadata: &Metadata, entry: &Entry, policy: &Policy) -> Verdict {
    if entry.options.enabled == Some(false) {
        return Verdict::Disabled("switched off in the configuration".to_owned());
    }
    if policy.allowlist.as_ref().is_some_and(|list| !list.contains(&entry.plugin)) {
        return Verdict::Disabled("it is not in BUNTIME_PLUGINS_ALLOWLIST".to_owned());
    }
    if let Some(allowed) = &policy.allowed_capabilities
        && let Some(refused) = metadata.capabilities.iter().find(|c| !allowed.contains(c))
    {
        return Verdict::Disabled(format!("its capability `{refused}` is not in BUNTIME_PLUGINS_ALLOWED_CAPABILITIES"));
    }
    if !metadata.api.runs_on(API_VERSION) {
        let ApiVersion { major, minor } = API_VERSION;
        return Verdict::Unfit(format!(
            "it was built for plugin API {}, this host offers {major}.{minor}",
            metadata.api
        ));
    }
    match metadata.capabilities.iter().find(|c| c.is_reserved()) {
        Some(reserved) => Verdict::Unfit(format!("its capability `{reserved}` is reserved: there is no interface yet")),
        None => Verdict::Start,
    }
}

fn check_required(catalog: &Catalog, program: &Program, planned: &[Planned], errors: &mut Vec<LoadError>) {
    for name in &program.policy.required {
        let reason = match planned.iter().find(|p| p.entry.plugin == *name) {
            Some(Planned { verdict: Verdict::Start, .. }) => continue,
            Some(Planned { verdict: Verdict::Disabled(reason) | Verdict::Unfit(reason), .. }) => reason.clone(),
            None if catalog.get(name).is_none() => match catalog.nearest(name) {
                Some(near) => format!("there is no such plugin; did you mean `{near}`?"),
                None => "there is no such plugin".to_owned(),
            },
            None => "it is not in `plugins`".to_owned(),
        };
        errors.push(LoadError::Required { name: name.clone(), reason });
    }
}

fn check_bases(planned: &[Planned], errors: &mut Vec<LoadError>) {
    let mut bases: BTreeMap<&str, &PluginName> = BTreeMap::new();
    for one in planned.iter().filter(|p| p.verdict == Verdict::Start) {
        if let Some(first) = bases.insert(&one.base, &one.entry.plugin) {
            errors.push(LoadError::SameBase {
                first: first.clone(),
                second: one.entry.plugin.clone(),
                base: one.base.clone(),
            });
        }
    }
}

/// Checks dependencies, and adds the optional ones that are configured.
fn link(planned: &mut [Planned], errors: &mut Vec<LoadError>) {
    let configured: BTreeSet<PluginName> = planned.iter().map(|p| p.entry.plugin.clone()).collect();
    for one in planned.iter_mut().filter(|p| p.verdict == Verdict::Start) {
        let name = one.entry.plugin.clone();
        for dependency in &one.depends_on {
            if *dependency == name {
                errors.push(LoadError::SelfDependency(name.clone()));
            } else if !configured.contains(dependency) {
                errors.push(LoadError::MissingDependency { plugin: name.clone(), dependency: dependency.clone() });
            }
        }
    }
}
