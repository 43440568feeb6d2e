//! From the core's errors back to places in the file.

use buntime_config::{Config, PluginEntry, Problem};
use buntime_core::{LoadError, PluginName, Scope};

use crate::{explain::is_of, overlay::Overlay};

/// Errors of the core as problems at their places in the file.
pub(crate) fn problems(errors: &[LoadError], config: &Config, overlay: &Overlay) -> Vec<Problem> {
    let found = errors.iter().map(|error| {
        let problem = problem(error, config);
        // Nobody finds in the file what is not in it.
        let changed: Vec<String> = plugin_of(error)
            .map(|name| overlay.of(name).map(|change| format!("`{}`", change.key)).collect())
            .unwrap_or_default();
        if changed.is_empty() {
            return problem;
        }
        problem.help(format!(
            "{} was changed through the admin API; what the file says about the same key wins over that",
            changed.join(", ")
        ))
    });
    found.collect()
}

fn plugin_of(error: &LoadError) -> Option<&PluginName> {
    match error {
        LoadError::Settings { plugin, .. }
        | LoadError::MissingDependency { plugin, .. }
        | LoadError::InvalidBase { plugin, .. }
        | LoadError::ScopedSettings { plugin, .. }
        | LoadError::Scoped { plugin, .. }
        | LoadError::Startup { plugin, .. } => Some(plugin),
        LoadError::Required { name, .. } | LoadError::UnknownPlugin { name, .. } => Some(name),
        LoadError::DuplicatePlugin(name) | LoadError::SelfDependency(name) | LoadError::BuiltinPlacement(name) => {
            Some(name)
        }
        LoadError::SameBase { second, .. } => Some(second),
        LoadError::Cycle(names) => names.first(),
        _ => None,
    }
}

fn problem(error: &LoadError, config: &Config) -> Problem {
    let at = |name: &PluginName| config.plugin(name).map(|entry| entry.pointer.clone()).unwrap_or_default();
    match error {
        LoadError::Settings { plugin, problem } => {
            let entry = config.plugin(plugin);
            let pointer = entry.map(|entry| entry.settings_pointer(&problem.pointer)).unwrap_or_default();
            let found = Problem::at(pointer, format!("the settings of `{plugin}`: {}", problem.message));
            match &problem.help {
                Some(help) => found.help(help.clone()),
                None => found,
            }
        }
        LoadError::ScopedSettings { scope, plugin, problem } => {
            let entry = entry_of(config, scope, plugin);
            let pointer = entry.map(|entry| entry.settings_pointer(&problem.pointer)).unwrap_or_default();
            let found = Problem::at(pointer, format!("the settings of `{plugin}` for {scope}: {}", problem.message));
            let help = problem
                .help
                .clone()
                .unwrap_or_else(|| "they were judged merged with those of the more general levels".to_owned());
            found.help(help)
        }
        LoadError::Scoped { scope, plugin, reason } => {
            let pointer = entry_of(config, scope, plugin).map(|entry| entry.pointer.clone()).unwrap_or_default();
            Problem::at(pointer, format!("`{plugin}` for {scope}: {reason}"))
        }
        LoadError::Required { name, .. } => {
            let index = config.required.iter().position(|required| required == name);
            Problem::at(index.map(|i| format!("/required/{i}")).unwrap_or_default(), error.to_string())
        }
        LoadError::DuplicatePlugin(name) | LoadError::SelfDependency(name) | LoadError::BuiltinPlacement(name) => {
            Problem::at(at(name), error.to_string())
        }
        LoadError::UnknownPlugin { name, .. } => Problem::at(at(name), error.to_string()),
        LoadError::MissingDependency { plugin, .. }
        | LoadError::InvalidBase { plugin, .. }
        | LoadError::Startup { plugin, .. } => Problem::at(at(plugin), error.to_string()),
        LoadError::SameBase { second, .. } => Problem::at(at(second), error.to_string()),
        LoadError::Cycle(names) => Problem::at(names.first().map(at).unwrap_or_default(), error.to_string()),
        other => Problem::at("", other.to_string()),
    }
}

/// What a level lists of a plugin.
fn entry_of<'c>(config: &'c Config, scope: &Scope, plugin: &PluginName) -> Option<&'c PluginEntry> {
    config.entries().find(|entry| entry.name == *plugin && is_of(&entry.scope, scope))
}
