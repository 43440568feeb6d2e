//! Why nothing is started.

use crate::{metadata::PluginName, scope::Scope, settings::SettingsProblem};

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
    /// Settings that are not valid with those of the more general levels.
    #[error("the settings of `{plugin}` for {scope} are not valid: {problem}")]
    ScopedSettings {
        /// The level that said what is wrong.
        scope: Scope,
        /// Which.
        plugin: PluginName,
        /// What is wrong, in the merged settings.
        problem: Box<SettingsProblem>,
    },
    /// An entry that cannot stand where it is listed.
    #[error("`{plugin}` is listed for {scope}: {reason}")]
    Scoped {
        /// Where.
        scope: Scope,
        /// Which.
        plugin: PluginName,
        /// Why not, and what to do.
        reason: String,
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

impl LoadError {
    /// A circle with one plugin in it.
    pub(crate) fn is_of_one(&self) -> bool {
        matches!(self, Self::Cycle(names) if names.len() < 2)
    }
}

fn join(names: &[PluginName]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}
