//! The keys any plugin entry takes beside its own settings: place in the order, failure modes, time limits, breaker.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{metadata::PluginName, plugin::Access, units::Span};

/// The coarsest part of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Before everything the runner brings.
    PreBuiltin,
    /// Plugins compiled into the runner, always.
    Builtin,
    /// After them; the default for others.
    PostBuiltin,
}

/// How neighbours of equal priority run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One after the other.
    #[default]
    Sequential,
    /// At the same time as its neighbours that say the same.
    Parallel,
}

/// Who may use what a plugin shows of the gateway: the setting `access` of those that only report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exposure {
    /// Everybody.
    #[default]
    Public,
    /// Who holds the admin token, or by the loopback rule.
    Admin,
}

impl From<Exposure> for Access {
    fn from(exposure: Exposure) -> Self {
        match exposure {
            Exposure::Public => Self::Public,
            Exposure::Admin => Self::Admin,
        }
    }
}

/// What a failure at load, startup or shutdown does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureMode {
    /// Log it and go on without the plugin.
    #[default]
    Continue,
    /// Stop; what was started is shut down in reverse.
    Abort,
    /// Disable the plugin, show it as quarantined, and try again with growing pauses.
    Quarantine,
}

/// What a failing hook does to the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The exchange fails with 503 and the plugin's name.
    Fail,
    /// As if the hook had done nothing: what it changed is undone.
    Continue,
    /// Call it again, then do what `after_retry` says.
    Retry(RetryOptions),
    /// Ask another plugin, or answer with a fixed response.
    Fallback(Fallback),
}

/// `onError: { "retry": { … } }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryOptions {
    /// How often it is called again, at most 10.
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
    /// The first pause; each further one is twice as long, with jitter.
    pub backoff: Span,
    /// No pause is longer than this.
    pub max_backoff: Span,
    /// What the last failure does.
    pub after_retry: AfterRetry,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { attempts: 2, backoff: Span::millis(50), max_backoff: Span::secs(1), after_retry: AfterRetry::Fail }
    }
}

/// What the last failure of a retried hook does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterRetry {
    /// Fail the exchange.
    Fail,
    /// Go on as if the hook had done nothing.
    Continue,
}

/// `onError: { "fallback": { … } }`: a plugin to ask instead, or a fixed response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fallback {
    /// The plugin whose hooks are called instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginName>,
    /// What is answered when there is no such plugin, or it fails too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<FixedResponse>,
}

/// A response written in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixedResponse {
    /// Its status.
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// Its headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its body.
    #[serde(default)]
    pub body: String,
}

impl<'de> Deserialize<'de> for OnError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Table {
            Retry(RetryOptions),
            Fallback(Fallback),
        }
        let value = serde_json::Value::deserialize(deserializer)?;
        match value.as_str() {
            Some("fail") => Ok(Self::Fail),
            Some("continue") => Ok(Self::Continue),
            Some("retry") => Ok(Self::Retry(RetryOptions::default())),
            Some(other) => Err(de::Error::custom(format!(
                "`{other}` is not an onError; write \"fail\", \"continue\", \"retry\", {{ \"retry\": {{ … }} }} or {{ \"fallback\": {{ … }} }}"
            ))),
            None => match serde_json::from_value(value).map_err(de::Error::custom)? {
                Table::Retry(options) if !(1..=10).contains(&options.attempts) => {
                    Err(de::Error::custom("onError.retry.attempts must be from 1 to 10"))
                }
                Table::Retry(options) => Ok(Self::Retry(options)),
                Table::Fallback(Fallback { plugin: None, response: None }) => {
                    Err(de::Error::custom("onError.fallback needs a `plugin` or a `response`"))
                }
                Table::Fallback(fallback) => Ok(Self::Fallback(fallback)),
            },
        }
    }
}

impl JsonSchema for OnError {
    fn schema_name() -> Cow<'static, str> {
        "OnError".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let retry = generator.subschema_for::<RetryOptions>();
        let fallback = generator.subschema_for::<Fallback>();
        json_schema!({
            "description": "What a failing hook of this plugin does to the exchange.",
            "anyOf": [
                { "enum": ["fail", "continue", "retry"] },
                { "type": "object", "properties": { "retry": retry }, "required": ["retry"], "additionalProperties": false },
                { "type": "object", "properties": { "fallback": fallback }, "required": ["fallback"], "additionalProperties": false }
            ]
        })
    }
}

/// When a plugin's hooks are no longer called, and when they are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BreakerOptions {
    /// That many failures within `window` open it.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// See `failures`.
    pub window: Span,
    /// How long it stays open.
    pub open: Span,
    /// How many exchanges may try it at a time when that has passed.
    #[schemars(range(min = 1))]
    pub half_open_probes: u32,
    /// How many of those must succeed to close it.
    #[schemars(range(min = 1))]
    pub successes: u32,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self { failures: 5, window: Span::secs(60), open: Span::secs(30), half_open_probes: 1, successes: 2 }
    }
}

/// Words for priorities used inside a scope by the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Priority(pub i32);

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if let Some(number) = value.as_i64().and_then(|n| i32::try_from(n).ok()) {
            return Ok(Self(number));
        }
        match value.as_str() {
            Some("critical") => Ok(Self(1)),
            Some("essential") => Ok(Self(2)),
            Some("optional") => Ok(Self(3)),
            _ => Err(de::Error::custom("a priority is a whole number, or `critical`, `essential` or `optional`")),
        }
    }
}

impl JsonSchema for Priority {
    fn schema_name() -> Cow<'static, str> {
        "Priority".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Lower runs earlier. The words stand for 1, 2 and 3.",
            "anyOf": [{ "type": "integer", "format": "int32" }, { "enum": ["critical", "essential", "optional"] }]
        })
    }
}

/// Public routes of a plugin: patterns for every method, or by method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PublicRoutes {
    /// Path globs, for every method.
    Every(Vec<String>),
    /// Path globs by method; `ALL` is every method.
    ByMethod(BTreeMap<String, Vec<String>>),
}

/// The keys any plugin entry takes beside the plugin's own settings. What is absent is the plugin's own choice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EntryOptions {
    /// Where it is mounted, always below `/p/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Is it on? Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Moves the plugin and those of its hook sets that have no priority of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Custom plugins only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// Orders plugins of equal priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<i32>,
    /// Moves named hook sets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hook_priorities: BTreeMap<String, Priority>,
    /// Run beside neighbours of equal priority?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// More plugins that must be running before it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<PluginName>,
    /// What its failure at load, startup or shutdown does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_mode: Option<FailureMode>,
    /// Does a quarantined plugin try again by itself? Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<bool>,
    /// What a failing hook does to the exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// How long a hook may take. Default 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_timeout: Option<Span>,
    /// When its hooks are no longer called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerOptions>,
    /// Paths below its base that need no identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_routes: Option<PublicRoutes>,
}

impl EntryOptions {
    /// These, with what a more specific level says in their place. `hookPriorities` are merged; every other key is
    /// replaced whole.
    #[must_use]
    pub fn overlaid(mut self, by: &Self) -> Self {
        let Self { base, enabled, priority, placement, order, hook_priorities, mode, depends_on, .. } = by.clone();
        let Self { failure_mode, recovery, on_error, hook_timeout, breaker, public_routes, .. } = by.clone();
        self.hook_priorities.extend(hook_priorities);
        if !depends_on.is_empty() {
            self.depends_on = depends_on;
        }
        Self {
            base: base.or(self.base),
            enabled: enabled.or(self.enabled),
            priority: priority.or(self.priority),
            placement: placement.or(self.placement),
            order: order.or(self.order),
            mode: mode.or(self.mode),
            failure_mode: failure_mode.or(self.failure_mode),
            recovery: recovery.or(self.recovery),
            on_error: on_error.or(self.on_error),
            hook_timeout: hook_timeout.or(self.hook_timeout),
            breaker: breaker.or(self.breaker),
            public_routes: public_routes.or(self.public_routes),
            hook_priorities: self.hook_priorities,
            depends_on: self.depends_on,
        }
    }

    /// The keys that are said, as they are written.
    pub fn said(&self) -> Vec<String> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(table)) => table.into_iter().map(|(key, _)| key).collect(),
            _ => Vec::new(),
        }
    }

    /// The names of all keys, as they are written.
    pub const KEYS: [&'static str; 14] = [
        "base",
        "enabled",
        "priority",
        "placement",
        "order",
        "hookPriorities",
        "mode",
        "dependsOn",
        "failureMode",
        "recovery",
        "onError",
        "hookTimeout",
        "breaker",
        "publicRoutes",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn on_error_in_every_form() {
        let read = |v| serde_json::from_value::<OnError>(v);
        assert_eq!(read(json!("fail")).unwrap(), OnError::Fail);
        assert_eq!(read(json!("retry")).unwrap(), OnError::Retry(RetryOptions::default()));
        let retry = read(json!({ "retry": { "attempts": 4, "afterRetry": "continue" } })).unwrap();
        assert!(matches!(retry, OnError::Retry(RetryOptions { attempts: 4, after_retry: AfterRetry::Continue, .. })));
        assert!(read(json!({ "fallback": {} })).unwrap_err().to_string().contains("needs a"));
        assert!(read(json!({ "retry": { "attempts": 0 } })).unwrap_err().to_string().contains("1 to 10"));
        assert!(read(json!("contniue")).unwrap_err().to_string().contains("contniue"));
    }

    #[test]
    fn a_more_specific_level_wins_option_by_option() {
        let read = |v| serde_json::from_value::<EntryOptions>(v).unwrap();
        let general = json!({ "priority": 5, "enabled": true, "hookPriorities": { "a": 1, "b": 2 }, "onError": "fail",
            "breaker": { "failures": 9 }, "dependsOn": ["x"] });
        let specific = json!({ "enabled": false, "hookPriorities": { "b": 3 }, "breaker": { "successes": 7 } });
        let expected = json!({ "priority": 5, "enabled": false, "hookPriorities": { "a": 1, "b": 3 },
            "onError": "fail", "breaker": { "successes": 7 }, "dependsOn": ["x"] });
        assert_eq!(read(general).overlaid(&read(specific)), read(expected));
    }

    #[test]
    fn the_list_of_keys_is_whole() {
        let schema = serde_json::to_value(schemars::schema_for!(EntryOptions)).unwrap();
        let mut keys: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut listed = EntryOptions::KEYS.to_vec();
        keys.sort_unstable();
        listed.sort_unstable();
        assert_eq!(keys, listed);
    }
}
