//! The plugins that are compiled in, each behind a feature of this crate, and what the configuration must know of them.
//! Nothing else in the workspace knows this list.

use buntime_config::{Config, PluginCatalog, PluginEntry, SettingsProblem, model::ConsumerMatch};
use buntime_core::{Capability, Catalog, Entry, KeyDigest, PluginName};
use serde_json::Value;

/// The plugins of this build.
pub fn builtin() -> Catalog {
    #[allow(unused_mut, reason = "a build without any plugin feature changes nothing")]
    let mut catalog = Catalog::new();
    #[cfg(feature = "metrics")]
    add(&mut catalog, plugin_metrics::MetricsPlugin);
    #[cfg(feature = "health")]
    add(&mut catalog, plugin_health::HealthPlugin);
    #[cfg(feature = "logs")]
    add(&mut catalog, plugin_logs::LogsPlugin::new());
    #[cfg(feature = "consumer-keys")]
    add(&mut catalog, plugin_consumer_keys::ConsumerKeysPlugin);
    #[cfg(feature = "fallback")]
    add(&mut catalog, plugin_fallback::FallbackPlugin);
    #[cfg(feature = "gateway")]
    add(&mut catalog, plugin_gateway::GatewayPlugin);
    #[cfg(feature = "ip-restriction")]
    add(&mut catalog, plugin_ip_restriction::IpRestrictionPlugin);
    #[cfg(feature = "request-validator")]
    add(&mut catalog, plugin_request_validator::RequestValidatorPlugin);
    #[cfg(feature = "enricher")]
    add(&mut catalog, plugin_enricher::EnricherPlugin);
    #[cfg(feature = "transformer")]
    add(&mut catalog, plugin_transformer::TransformerPlugin);
    #[cfg(feature = "content-filter")]
    add(&mut catalog, plugin_content_filter::ContentFilterPlugin);
    #[cfg(feature = "proxy")]
    add(&mut catalog, plugin_proxy::ProxyPlugin);
    #[cfg(feature = "database")]
    add(&mut catalog, plugin_database::DatabasePlugin);
    #[cfg(feature = "keyval")]
    add(&mut catalog, plugin_keyval::KeyvalPlugin);
    catalog
}

#[cfg(any(
    feature = "metrics",
    feature = "health",
    feature = "logs",
    feature = "fallback",
    feature = "gateway",
    feature = "ip-restriction",
    feature = "request-validator",
    feature = "enricher",
    feature = "transformer",
    feature = "content-filter",
    feature = "proxy",
    feature = "consumer-keys",
    feature = "database",
    feature = "keyval"
))]
fn add(catalog: &mut Catalog, plugin: impl buntime_core::Plugin) {
    let added = catalog.add_builtin(plugin);
    debug_assert!(added.is_ok(), "two built-in plugins have one name");
}

/// What looks up consumers by their keys, when some have one and no auth plugin is listed.
pub(crate) fn key_lookup(config: &Config, entries: &[PluginEntry], catalog: &Catalog) -> Option<Entry> {
    const NAME: &str = "consumer-keys";
    let has_key = |found: &ConsumerMatch| matches!(found, ConsumerMatch::ApiKey(_));
    let asked = config.consumers.iter().any(|consumer| consumer.matches.iter().any(has_key));
    let authenticates = |entry: &PluginEntry| {
        let metadata = catalog.get(&entry.name).map(|(_, metadata)| metadata);
        entry.is_enabled() && metadata.is_some_and(|metadata| metadata.has(Capability::AuthProvider))
    };
    let listed = entries.iter().any(|entry| entry.name.as_str() == NAME || authenticates(entry));
    let known = catalog.get(&PluginName::new(NAME)).is_some();
    (asked && known && !listed).then(|| Entry::new(NAME, Value::Object(serde_json::Map::new())))
}

/// What a consumer's key is looked up by.
#[cfg(feature = "consumer-keys")]
pub(crate) fn digest(key: &str) -> Option<KeyDigest> {
    Some(plugin_consumer_keys::digest(key.as_bytes()))
}

/// Nothing in this build looks keys up.
#[cfg(not(feature = "consumer-keys"))]
pub(crate) fn digest(_: &str) -> Option<KeyDigest> {
    None
}

/// A plugin's settings, with what the rest of the file says to it: `log.access: false` keeps access lines off stdout
/// unless the logs plugin is told otherwise itself.
pub(crate) fn settings_of(entry: &PluginEntry, config: &Config) -> Value {
    let mut settings = entry.settings.clone();
    if cfg!(feature = "logs")
        && !config.log.access
        && entry.name.as_str() == "logs"
        && let Some(table) = settings.as_object_mut()
    {
        table.entry("stdout").or_insert(Value::Bool(false));
    }
    settings
}

/// A catalog as the configuration wants to see it.
pub(crate) struct Known<'a>(pub(crate) &'a Catalog);

impl PluginCatalog for Known<'_> {
    fn names(&self) -> Vec<PluginName> {
        self.0.names().cloned().collect()
    }

    fn settings_schema(&self, name: &PluginName) -> Option<Value> {
        let schema = self.0.settings(name)?.schema().clone();
        // `true` means that the plugin reads its settings itself.
        schema.is_object().then_some(schema)
    }

    fn check(&self, name: &PluginName, settings: &Value) -> Vec<SettingsProblem> {
        let problems = self.0.settings(name).map(|spec| spec.check(settings)).unwrap_or_default();
        problems
            .into_iter()
            .map(|problem| SettingsProblem { pointer: problem.pointer, message: problem.message, help: problem.help })
            .collect()
    }

    fn default_base(&self, name: &PluginName) -> Option<String> {
        self.0.get(name).and_then(|(_, metadata)| metadata.base.clone())
    }
}
