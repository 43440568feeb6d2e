//! From the configuration to what the core runs.

mod problems;

use std::{collections::BTreeSet, sync::Arc};

use buntime_config::{
    Config, Diagnostics, Env, Loaded, PluginEntry, Problem,
    model::{Consumer, ConsumerMatch as Match, Service},
};
use buntime_core::{
    Catalog, ConsumerMatch, ConsumerScope, Entry, GroupScope, Policy, Program, RouteScope, Scopes, ServiceScope,
    options::FailureMode,
};
use buntime_http::server::TlsFiles;

pub(crate) use self::problems::problems;
use crate::{catalog, databases, overlay::Overlay, services};

/// What is to run.
pub(crate) fn program(config: &Config, entries: &[PluginEntry], catalog: &Catalog) -> Program {
    let looked_up = catalog::key_lookup(config, entries, catalog);
    let entries = entries.iter().map(|entry| Entry {
        plugin: entry.name.clone(),
        options: entry.options.clone(),
        settings: catalog::settings_of(entry, config),
    });
    let entries = entries.chain(looked_up);
    let policy = Policy {
        allowlist: config.policy.allowlist.clone(),
        allowed_capabilities: config.policy.allowed_capabilities.clone(),
        required: config.required.clone(),
        failure_mode: config.policy.failure_mode.unwrap_or(FailureMode::Continue),
    };
    Program { entries: entries.collect(), policy, scopes: scopes(config), ..Program::default() }
}

/// What the levels below the gateway list.
fn scopes(config: &Config) -> Scopes {
    let groups = config.consumer_groups.iter().map(|group| GroupScope {
        name: group.name.as_str().into(),
        priority: group.priority,
        entries: listed(&group.plugins),
    });
    Scopes {
        services: config.services.iter().map(service).collect(),
        groups: groups.collect(),
        consumers: config.consumers.iter().map(consumer).collect(),
    }
}

fn service(service: &Service) -> ServiceScope {
    let routes = service
        .routes
        .iter()
        .map(|route| RouteScope { name: route.name.as_str().into(), entries: listed(&route.plugins) });
    ServiceScope { name: service.name.as_str().into(), entries: listed(&service.plugins), routes: routes.collect() }
}

fn consumer(consumer: &Consumer) -> ConsumerScope {
    let matches = consumer.matches.iter().filter_map(|found| match found {
        Match::ApiKey(key) => catalog::digest(key.expose().trim()).map(ConsumerMatch::Key),
        Match::Sub(subject) => Some(ConsumerMatch::Subject(subject.as_str().into())),
        Match::Claim(claims) => {
            Some(ConsumerMatch::Claims(claims.iter().map(|(name, value)| (name.clone(), value.clone())).collect()))
        }
    });
    ConsumerScope {
        name: consumer.name.as_str().into(),
        groups: consumer.groups.iter().map(|group| Arc::from(group.as_str())).collect(),
        matches: matches.collect(),
        entries: listed(&consumer.plugins),
    }
}

fn listed(entries: &[PluginEntry]) -> Vec<Entry> {
    let entry = |entry: &PluginEntry| Entry {
        plugin: entry.name.clone(),
        options: entry.options.clone(),
        settings: entry.settings.clone(),
    };
    entries.iter().map(entry).collect()
}

/// The listener's certificate and key, if it has some.
pub(crate) fn tls_files(config: &Config) -> Option<TlsFiles> {
    config.server.tls.as_ref().map(|tls| TlsFiles { cert: tls.cert.clone(), key: tls.key.clone() })
}

/// Tells the log what is probably not as meant, and where.
pub(crate) fn tell(warnings: &Diagnostics) {
    for warning in warnings.iter() {
        let help = warning.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        tracing::warn!(at = warning.path, "{}{help}", warning.message);
    }
}

/// What can be found wrong without starting anything: plugins that do not go together, certificates that cannot be
/// used.
pub(crate) async fn preflight(loaded: &Loaded, catalog: &Catalog, program: &Program, env: &dyn Env) -> Vec<Problem> {
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
    found.extend(services::judge(&loaded.config));
    found.extend(databases::judge(&loaded.config, env));
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
    if databases::written(before) != databases::written(after) {
        keys.insert("database.adapters");
    }
    if before.log.format != after.log.format {
        keys.insert("log.format");
    }
    keys.into_iter().collect()
}
