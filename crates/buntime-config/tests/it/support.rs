//! Loading a text against a small catalog of plugins.

use std::path::PathBuf;

use buntime_config::{Context, Diagnostics, Env, FixedCatalog, Loaded, PluginCatalog, SettingsProblem, Source, load};
use buntime_core::{metadata::PluginName, units::Span};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Settings with every shape schemars writes: durations, words, tagged objects, lists, one-or-many.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct Gateway {
    rate_limit: Option<OneOrMany>,
    cors: Option<Cors>,
    providers: Vec<Provider>,
    algorithm: Algorithm,
    exclude: Vec<String>,
    api_key: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum OneOrMany {
    One(RateLimit),
    Many(Vec<RateLimit>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct RateLimit {
    requests: u32,
    window: Span,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Cors {
    origin: Vec<String>,
    #[serde(default)]
    credentials: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
enum Provider {
    /// A token.
    Jwt { secret: String, leeway: Option<Span> },
    /// A list of keys.
    ApiKey { keys: Vec<String> },
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
enum Algorithm {
    /// A bucket.
    #[default]
    TokenBucket,
    /// A window.
    SlidingWindow,
}

/// A catalog whose gateway plugin also judges its settings by hand.
pub(crate) struct Catalog(FixedCatalog);

impl Default for Catalog {
    fn default() -> Self {
        let schema = schemars::schema_for!(Gateway).to_value();
        let mut catalog = FixedCatalog::new().with("gateway", Some(schema));
        for name in [
            "metrics",
            "health",
            "logs",
            "proxy",
            "authn",
            "authz",
            "ip-restriction",
            "request-validator",
            "content-filter",
            "enricher",
            "keyval",
            "durable",
            "llm",
            "database",
            "@acme/plugin-audit",
        ] {
            catalog = catalog.with(name, None);
        }
        Self(catalog)
    }
}

impl PluginCatalog for Catalog {
    fn names(&self) -> Vec<PluginName> {
        self.0.names()
    }

    fn settings_schema(&self, name: &PluginName) -> Option<Value> {
        self.0.settings_schema(name)
    }

    fn check(&self, _: &PluginName, settings: &Value) -> Vec<SettingsProblem> {
        let patterns = settings["exclude"].as_array().into_iter().flatten().enumerate();
        patterns
            .filter(|(_, pattern)| pattern == &"bad")
            .map(|(index, pattern)| SettingsProblem {
                pointer: format!("/exclude/{index}"),
                message: format!("{pattern} is no good"),
                help: Some("write something else".to_owned()),
            })
            .collect()
    }

    fn default_base(&self, name: &PluginName) -> Option<String> {
        (name.as_str() == "authn").then(|| "/p/auth".to_owned())
    }
}

/// Loads a text with an environment.
pub(crate) fn load_with(text: &str, env: &dyn Env, plugins: &[&str]) -> Result<Loaded, Diagnostics> {
    let plugins: Vec<String> = plugins.iter().map(|name| (*name).to_owned()).collect();
    let catalog = Catalog::default();
    let source = Source::Text { file: PathBuf::from("buntime.jsonc"), text: text.to_owned() };
    load(&source, &Context { catalog: &catalog, env, plugins: &plugins })
}

/// Loads a text that must be good.
pub(crate) fn good(text: &str) -> Loaded {
    load_with(text, &[], &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Loads a text with plugins whose settings are not known.
pub(crate) fn load_opaque(text: &str, env: &dyn Env) -> Result<Loaded, Diagnostics> {
    let mut catalog = FixedCatalog::new();
    for name in Catalog::default().names() {
        catalog = catalog.with(name.as_str(), None);
    }
    let source = Source::Text { file: PathBuf::from("buntime.jsonc"), text: text.to_owned() };
    load(&source, &Context { catalog: &catalog, env, plugins: &[] })
}

/// What is said about a text that must be bad.
pub(crate) fn bad(text: &str) -> String {
    match load_with(text, &[], &[]) {
        Ok(_) => panic!("this must not load: {text}"),
        Err(problems) => problems.to_string(),
    }
}

/// The messages alone, one a line.
pub(crate) fn messages(text: &str) -> String {
    match load_with(text, &[], &[]) {
        Ok(loaded) => short(&loaded.warnings),
        Err(problems) => short(&problems),
    }
}

/// `line:column path: message (help)`, one a line.
pub(crate) fn short(problems: &Diagnostics) -> String {
    let line = |item: &Value| {
        let place = match (item["line"].as_u64(), item["column"].as_u64()) {
            (Some(line), Some(column)) => format!("{line}:{column}"),
            _ => item["file"].as_str().unwrap_or_default().to_owned(),
        };
        let word = if item["severity"] == "warning" { "warning: " } else { "" };
        let help = item["help"].as_str().map(|help| format!(" ({help})")).unwrap_or_default();
        format!(
            "{place} {} {word}{}{help}",
            item["path"].as_str().unwrap_or_default(),
            item["message"].as_str().unwrap_or_default()
        )
    };
    problems.to_json().as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
}
