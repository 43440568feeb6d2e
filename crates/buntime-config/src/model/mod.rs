//! The configuration as types: what `buntime.jsonc` says after substitution, overrides, validation and defaults.
//!
//! Values here are known to be good: whoever holds a [`Config`] need not check it again. Paths are resolved against the
//! directory of the file. The keys in the file are the fields in camelCase.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use buntime_core::{
    metadata::{Capability, PluginName},
    options::FailureMode,
};
use buntime_ssrf::OutboundSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod consumers;
mod log;
mod plugins;
mod secret;
mod server;
mod services;
mod upstream;
mod words;

pub use consumers::{Consumer, ConsumerGroup, ConsumerMatch};
pub use log::{Log, LogFormat, LogLevel};
pub(crate) use plugins::{ENTRY_DEFINITION, OPTIONS_SCHEMA, is_common};
pub use plugins::{PluginEntry, Scope};
pub use secret::Secret;
pub use server::{Admin, Server, Tls};
pub use services::{Route, Service};
pub use upstream::{
    ActiveHealth, Algorithm, Dns, HashKey, HealthChecks, Mirror, PassiveHealth, Queue, RetryBudget, RetryOptions,
    Speak, StatusRange, Sticky, Target, TargetUrl, Upstream,
};
pub use words::{Cidr, HostPattern, MethodName, RoutePath};

/// Everything `buntime.jsonc` and the environment say.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(title = "buntime.jsonc")]
pub struct Config {
    /// Where editors find the schema of this file. It says nothing to the runner.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The listener and its limits.
    pub server: Server,
    /// Who may administer.
    pub admin: Admin,
    /// Where data is kept. Default `./data`.
    #[schemars(with = "String")]
    pub data_dir: PathBuf,
    /// What is logged, and how.
    pub log: Log,
    /// Where plugins may call what a request, a token or an answer names, beyond public addresses.
    pub outbound: OutboundSettings,
    /// Plugins that must be loaded and started, or the runner does not start.
    pub required: Vec<PluginName>,
    /// The plugins of the gateway, which every request passes.
    pub plugins: Vec<PluginEntry>,
    /// Upstream services and their routes.
    pub services: Vec<Service>,
    /// Groups of consumers.
    pub consumer_groups: Vec<ConsumerGroup>,
    /// Who calls.
    pub consumers: Vec<Consumer>,
    /// Directories of app workers. Does nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub workspaces: Option<Value>,
    /// How many app workers are kept. Does nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub pool_size: Option<Value>,
    /// The app that answers at `/`. Does nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<Value>,
    /// What only the environment says about plugins.
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    pub policy: PluginPolicy,
    /// `LIBSQL_URL_0…n` and `LIBSQL_AUTH_TOKEN`.
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    pub libsql: LibsqlEnvironment,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            schema: None,
            server: Server::default(),
            admin: Admin::default(),
            data_dir: PathBuf::from("./data"),
            log: Log::default(),
            outbound: OutboundSettings::default(),
            required: Vec::new(),
            plugins: Vec::new(),
            services: Vec::new(),
            consumer_groups: Vec::new(),
            consumers: Vec::new(),
            workspaces: None,
            pool_size: None,
            homepage: None,
            policy: PluginPolicy::default(),
            libsql: LibsqlEnvironment::default(),
        }
    }
}

/// Which plugins may load, and what the failure of one does. From `BUNTIME_PLUGINS_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginPolicy {
    /// `BUNTIME_PLUGINS_ALLOWLIST`: `None` is all, an empty set is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowlist: Option<BTreeSet<PluginName>>,
    /// `BUNTIME_PLUGINS_ALLOWED_CAPABILITIES`: `None` is all, an empty set is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_capabilities: Option<BTreeSet<Capability>>,
    /// `BUNTIME_PLUGINS_FAILURE_MODE`: for plugins that choose none themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_mode: Option<FailureMode>,
}

/// The libSQL server that the environment names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LibsqlEnvironment {
    /// The primary, then its replicas. Empty when `LIBSQL_URL_0` is not set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<Secret>,
    /// What it is told as a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<Secret>,
}

impl Config {
    /// Visits every plugin entry of every scope, the gateway's first.
    pub fn entries(&self) -> impl Iterator<Item = &PluginEntry> {
        let services = self
            .services
            .iter()
            .flat_map(|service| service.plugins.iter().chain(service.routes.iter().flat_map(|route| &route.plugins)));
        let groups = self.consumer_groups.iter().flat_map(|group| &group.plugins);
        let consumers = self.consumers.iter().flat_map(|consumer| &consumer.plugins);
        self.plugins.iter().chain(services).chain(groups).chain(consumers)
    }

    /// The gateway's entry of a plugin.
    pub fn plugin(&self, name: &PluginName) -> Option<&PluginEntry> {
        self.plugins.iter().find(|entry| entry.name == *name)
    }

    /// Tells every entry where it stands in the file.
    pub(crate) fn place_entries(&mut self) {
        place(&mut self.plugins, "", &Scope::Gateway);
        for (s, service) in self.services.iter_mut().enumerate() {
            place(&mut service.plugins, &format!("/services/{s}"), &Scope::Service(service.name.clone()));
            for (r, route) in service.routes.iter_mut().enumerate() {
                let scope = Scope::Route { service: service.name.clone(), route: route.name.clone() };
                place(&mut route.plugins, &format!("/services/{s}/routes/{r}"), &scope);
            }
        }
        for (g, group) in self.consumer_groups.iter_mut().enumerate() {
            place(&mut group.plugins, &format!("/consumerGroups/{g}"), &Scope::ConsumerGroup(group.name.clone()));
        }
        for (c, consumer) in self.consumers.iter_mut().enumerate() {
            place(&mut consumer.plugins, &format!("/consumers/{c}"), &Scope::Consumer(consumer.name.clone()));
        }
    }

    /// Tells every entry which of its settings came from secret variables. `pointers` are those of the file.
    pub(crate) fn taint_entries(&mut self, pointers: &[String]) {
        let below = |entry: &PluginEntry| {
            let own = entry.settings_pointer("");
            let inner =
                |pointer: &String| pointer.strip_prefix(&own).filter(|rest| rest.starts_with('/')).map(str::to_owned);
            pointers.iter().filter_map(inner).collect()
        };
        let services = self.services.iter_mut().flat_map(|service| {
            service.plugins.iter_mut().chain(service.routes.iter_mut().flat_map(|route| &mut route.plugins))
        });
        let groups = self.consumer_groups.iter_mut().flat_map(|group| &mut group.plugins);
        let consumers = self.consumers.iter_mut().flat_map(|consumer| &mut consumer.plugins);
        for entry in self.plugins.iter_mut().chain(services).chain(groups).chain(consumers) {
            entry.tainted = below(entry);
        }
    }

    /// Makes the paths of the file absolute, or at least independent of where the runner was started.
    pub(crate) fn resolve_paths(&mut self, dir: &Path) {
        self.data_dir = dir.join(&self.data_dir);
        if let Some(tls) = &mut self.server.tls {
            tls.cert = dir.join(&tls.cert);
            tls.key = dir.join(&tls.key);
        }
        self.services.iter_mut().for_each(|service| service.upstream.resolve_paths(dir));
    }
}

fn place(entries: &mut [PluginEntry], owner: &str, scope: &Scope) {
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.pointer = format!("{owner}/plugins/{index}");
        entry.scope = scope.clone();
    }
}

/// Headers by name, as they are written.
pub type Headers = BTreeMap<String, String>;
