//! From the configuration to what the core runs, and from the core's errors back to places in the file.

use std::collections::BTreeSet;

use buntime_config::{Config, Loaded, PluginEntry, Problem};
use buntime_core::{Catalog, Entry, LoadError, PluginName, Policy, Program, options::FailureMode};
use buntime_http::server::TlsFiles;

use crate::{catalog, overlay::Overlay};

/// What is to run.
pub(crate) fn program(config: &Config, entries: &[PluginEntry]) -> Program {
    let entries = entries.iter().map(|entry| Entry {
        plugin: entry.name.clone(),
        options: entry.options.clone(),
        settings: catalog::settings_of(entry, config),
    });
    let policy = Policy {
        allowlist: config.policy.allowlist.clone(),
        allowed_capabilities: config.policy.allowed_capabilities.clone(),
        required: config.required.clone(),
        failure_mode: config.policy.failure_mode.unwrap_or(FailureMode::Continue),
    };
    Program { entries: entries.collect(), policy, ..Program::default() }
}

/// The listener's certificate and key, if it has some.
pub(crate) fn tls_files(config: &Config) -> Option<TlsFiles> {
    config.server.tls.as_ref().map(|tls| TlsFiles { cert: tls.cert.clone(), key: tls.key.clone() })
}

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

/// What can be found wrong without starting anything: plugins that do not go together, certificates that cannot be
/// used.
pub(crate) async fn preflight(loaded: &Loaded, catalog: &Catalog, program: &Program) -> Vec<Problem> {
    let mut found = Vec::new();
    // A host without plugins starts nothing and judges programs.
    match buntime_core::Host::builder().catalog(catalog.clone()).start().await {
        Ok(host) => {
            if let Err(errors) = host.check(program).await {
                found.extend(problems(&errors, &loaded.config, &Overlay::default()));
            }
            host.stop(std::time::Duration::ZERO).await;
        }
        Err(errors) => found.extend(problems(&errors, &loaded.config, &Overlay::default())),
    }
    if let Some(Err(error)) = tls_files(&loaded.config).map(|files| files.load().map(drop)) {
        found.push(Problem::at("/server/tls", error.to_string()));
    }
    found
}

/// Keys of the file that a running listener cannot take over: their names, if they changed.
pub(crate) fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let mut keys = BTreeSet::new();
    let (old, new) = (&before.server, &after.server);
    if old.host != new.host {
        keys.insert("server.host");
    }
    if old.port != new.port {
        keys.insert("server.port");
    }
    if old.tls.is_some() != new.tls.is_some() {
        keys.insert("server.tls");
    }
    if before.data_dir != after.data_dir {
        keys.insert("dataDir");
    }
    if before.log.format != after.log.format {
        keys.insert("log.format");
    }
    keys.into_iter().collect()
}
