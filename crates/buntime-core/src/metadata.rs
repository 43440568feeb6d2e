//! Who a plugin is: name, versions, capabilities, dependencies, place in the order.

use std::{borrow::Borrow, collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::options::{FailureMode, Placement};

/// The version of the plugin API this crate offers. A plugin built for the same major and a minor that is not newer
/// loads.
pub const API_VERSION: ApiVersion = ApiVersion { major: 1, minor: 0 };

/// The priority of a plugin that names none.
pub const DEFAULT_PRIORITY: i32 = 1000;

/// A version of the plugin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ApiVersion {
    /// Breaking changes.
    pub major: u16,
    /// Additions.
    pub minor: u16,
}

impl ApiVersion {
    /// Can a plugin built for `self` run on `host`?
    pub fn runs_on(self, host: Self) -> bool {
        self.major == host.major && self.minor <= host.minor
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The name of a plugin in its short form: `@buntime/plugin-metrics`, `plugin-metrics` and `metrics` are all `metrics`.
///
/// Scopes other than `@buntime` are kept: `@acme/plugin-audit` is `@acme/audit`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PluginName(Arc<str>);

impl PluginName {
    /// The short form of any spelling. Never fails: what is not a known spelling is kept as it is, in lower case.
    pub fn new(spelling: &str) -> Self {
        let lower = spelling.trim().to_ascii_lowercase();
        let (scope, rest) = match lower.split_once('/') {
            Some((scope, rest)) if scope.starts_with('@') => (Some(scope), rest),
            _ => (None, lower.as_str()),
        };
        let short = rest.strip_prefix("plugin-").filter(|s| !s.is_empty()).unwrap_or(rest);
        match scope {
            Some(scope) if scope != "@buntime" => Self(format!("{scope}/{short}").into()),
            _ => Self(short.into()),
        }
    }

    /// The short form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The short form, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// The name without any scope, as it stands in the plugin's default base `/p/<bare>`.
    pub fn bare(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The package spelling: `@buntime/plugin-metrics`.
    pub fn package(&self) -> String {
        match self.0.split_once('/') {
            Some((scope, short)) => format!("{scope}/plugin-{short}"),
            None => format!("@buntime/plugin-{}", self.0),
        }
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl Borrow<str> for PluginName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PluginName {
    fn from(spelling: &str) -> Self {
        Self::new(spelling)
    }
}

impl<'de> Deserialize<'de> for PluginName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(deserializer)?))
    }
}

impl JsonSchema for PluginName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PluginName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// An interface a plugin uses. Using one without declaring it is a load error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// HTTP routes under its base.
    Routes,
    /// Hook sets.
    Middleware,
    /// Says who is calling: may set identity and consumer.
    AuthProvider,
    /// Stores data for other plugins. Reserved.
    StorageBackend,
    /// Chooses among upstreams or models. Reserved.
    RoutingStrategy,
    /// Runs tools. Reserved.
    ToolRuntime,
    /// Judges requests and answers. Reserved.
    Evaluator,
    /// Sends telemetry elsewhere.
    ObservabilityExporter,
}

impl Capability {
    /// Every capability, in the order of the contract.
    pub const ALL: [Self; 8] = [
        Self::Routes,
        Self::Middleware,
        Self::AuthProvider,
        Self::StorageBackend,
        Self::RoutingStrategy,
        Self::ToolRuntime,
        Self::Evaluator,
        Self::ObservabilityExporter,
    ];

    /// Its name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Middleware => "middleware",
            Self::AuthProvider => "auth_provider",
            Self::StorageBackend => "storage_backend",
            Self::RoutingStrategy => "routing_strategy",
            Self::ToolRuntime => "tool_runtime",
            Self::Evaluator => "evaluator",
            Self::ObservabilityExporter => "observability_exporter",
        }
    }

    /// Is its interface still to come? A reserved capability is refused at load.
    pub fn is_reserved(self) -> bool {
        matches!(self, Self::StorageBackend | Self::RoutingStrategy | Self::ToolRuntime | Self::Evaluator)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    /// Either case.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|c| c.as_str().eq_ignore_ascii_case(s.trim()))
            .ok_or_else(|| UnknownCapability(s.to_owned()))
    }
}

/// A word that is no capability.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown capability `{0}`; there are: routes, middleware, auth_provider, storage_backend, routing_strategy, tool_runtime, evaluator, observability_exporter"
)]
pub struct UnknownCapability(String);

/// Who a plugin is. Build it with [`Metadata::new`] and the `with_*` methods.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metadata {
    /// Its name in the short form.
    pub name: PluginName,
    /// Its own version.
    pub version: semver::Version,
    /// One sentence.
    pub description: String,
    /// The plugin API it was built for.
    pub api: ApiVersion,
    /// The interfaces it uses.
    pub capabilities: BTreeSet<Capability>,
    /// Plugins that must be running before it starts.
    pub depends_on: Vec<PluginName>,
    /// Plugins that start before it when they are configured.
    pub optional_depends_on: Vec<PluginName>,
    /// Lower starts and runs earlier.
    pub priority: i32,
    /// Where it stands unless configured otherwise; `None` means `builtin` for plugins compiled into the runner and
    /// `post_builtin` for others.
    pub placement: Option<Placement>,
    /// What its failure at load, startup or shutdown does; `None` means the configured default.
    pub failure_mode: Option<FailureMode>,
    /// Does it exist to refuse (authentication, limits, validation, filters)? Then a hook of it that fails, fails the
    /// exchange.
    pub refuses: bool,
    /// The base it asks for instead of `/p/<name>`.
    pub base: Option<String>,
    /// Is there one instance only, for all that comes in? Then services, routes, groups and consumers can switch it
    /// off, and say nothing else of it.
    pub gateway_only: bool,
}

impl Metadata {
    /// Metadata of a plugin with that name and version. The version is usually `env!("CARGO_PKG_VERSION")`; one that
    /// is not semver is taken as `0.0.0`.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: PluginName::new(name),
            version: semver::Version::parse(version).unwrap_or(semver::Version::new(0, 0, 0)),
            description: String::new(),
            api: API_VERSION,
            capabilities: BTreeSet::new(),
            depends_on: Vec::new(),
            optional_depends_on: Vec::new(),
            priority: DEFAULT_PRIORITY,
            placement: None,
            failure_mode: None,
            refuses: false,
            base: None,
            gateway_only: false,
        }
    }

    /// What a plugin that tells nothing about itself gets: the name of its type, `0.0.0`, no capabilities.
    pub fn legacy(type_name: &str) -> Self {
        let short = type_name.split('<').next().unwrap_or(type_name);
        Self::new(short.rsplit("::").next().unwrap_or(short), "0.0.0")
    }

    /// One sentence.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// The plugin API it was built for.
    #[must_use]
    pub fn with_api(mut self, api: ApiVersion) -> Self {
        self.api = api;
        self
    }

    /// The interfaces it uses.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: impl IntoIterator<Item = Capability>) -> Self {
        self.capabilities.extend(capabilities);
        self
    }

    /// Plugins that must be running before it starts.
    #[must_use]
    pub fn with_depends_on<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.depends_on.extend(names.into_iter().map(PluginName::new));
        self
    }

    /// Plugins that start before it when they are configured.
    #[must_use]
    pub fn with_optional_depends_on<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.optional_depends_on.extend(names.into_iter().map(PluginName::new));
        self
    }

    /// Lower starts and runs earlier.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Where it stands.
    #[must_use]
    pub fn with_placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    /// What its failure at load, startup or shutdown does.
    #[must_use]
    pub fn with_failure_mode(mut self, mode: FailureMode) -> Self {
        self.failure_mode = Some(mode);
        self
    }

    /// It exists to refuse: a hook of it that fails, fails the exchange.
    #[must_use]
    pub fn refusing(mut self) -> Self {
        self.refuses = true;
        self
    }

    /// The base it asks for.
    #[must_use]
    pub fn with_base(mut self, base: impl Into<String>) -> Self {
        self.base = Some(base.into());
        self
    }

    /// There is one instance of it only; more specific levels can switch it off and say nothing else.
    #[must_use]
    pub fn gateway_only(mut self) -> Self {
        self.gateway_only = true;
        self
    }

    /// Does it declare that capability?
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name() {
        for s in ["@buntime/plugin-metrics", "plugin-metrics", "metrics", " Metrics "] {
            assert_eq!(PluginName::new(s).as_str(), "metrics");
        }
        assert_eq!(PluginName::new("@acme/plugin-audit").as_str(), "@acme/audit");
        assert_eq!(PluginName::new("@acme/plugin-audit").bare(), "audit");
        assert_eq!(PluginName::new("@acme/audit").package(), "@acme/plugin-audit");
        assert_eq!(PluginName::new("metrics").package(), "@buntime/plugin-metrics");
        assert_eq!(PluginName::new("plugin-").as_str(), "plugin-");
    }

    #[test]
    fn capabilities_in_either_case() {
        assert_eq!("ROUTES".parse::<Capability>().ok(), Some(Capability::Routes));
        assert_eq!("Auth_Provider".parse::<Capability>().ok(), Some(Capability::AuthProvider));
        let error = "rotues".parse::<Capability>().unwrap_err().to_string();
        assert!(error.contains("rotues") && error.contains("observability_exporter"), "{error}");
    }

    #[test]
    fn api_versions() {
        let host = ApiVersion { major: 1, minor: 2 };
        assert!(ApiVersion { major: 1, minor: 2 }.runs_on(host));
        assert!(ApiVersion { major: 1, minor: 0 }.runs_on(host));
        assert!(!ApiVersion { major: 1, minor: 3 }.runs_on(host));
        assert!(!ApiVersion { major: 2, minor: 0 }.runs_on(host));
    }

    #[test]
    fn legacy_metadata_is_the_type_name() {
        struct Old;
        let metadata = Metadata::legacy(std::any::type_name::<Old>());
        assert_eq!(metadata.name.as_str(), "old");
        assert_eq!(metadata.version.to_string(), "0.0.0");
        assert_eq!(metadata.priority, DEFAULT_PRIORITY);
        assert!(metadata.capabilities.is_empty());
    }
}
