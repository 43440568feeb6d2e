//! Settings of the plugin.

use std::collections::BTreeMap;

use buntime_core::{
    Settings, SettingsProblem,
    options::BreakerOptions,
    units::{Size, Span},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::{call::Call, schema};

/// What the plugin takes in `buntime.jsonc`: `calls`, or one call without a name.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum EnricherSettings {
    /// Any number of calls.
    Several(CallsSettings),
    /// One; boxed for its size.
    One(Box<CallSettings>),
}

/// Calls, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CallsSettings {
    /// The calls. One sees what those before it have put into the request.
    pub calls: Vec<CallSettings>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = schema::call_aliases)]
pub struct CallSettings {
    /// More specific levels change a call by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The URL, a template. An origin that is written here is trusted as written; one that a template fills in is judged.
    pub endpoint: String,
    /// The method. Default `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How long it may take in all, retries included; at most 60s. Default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Headers of the call: templates. Never logged.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Parameters that are added to the URL: templates.
    #[serde(default, alias = "query_params", skip_serializing_if = "BTreeMap::is_empty")]
    pub query_params: BTreeMap<String, String>,
    /// The JSON body of the call: any value, whose texts are templates. `"{{body}}"` is the request's own. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// For which requests it is; for all if it says nothing.
    #[serde(default)]
    pub when: WhenSettings,
    /// What of the answer goes where.
    #[serde(default, alias = "field_maps", skip_serializing_if = "Vec::is_empty")]
    pub field_maps: Vec<FieldMapSettings>,
    /// On which answers the request is stopped. The first that holds counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionSettings>,
    /// Keeps answers, and lets requests at one time share a call. Default: each request has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSettings>,
    /// How often it is repeated when it fails, at most 5. Only for calls that may be repeated. Default 0.
    #[schemars(range(max = 5))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u8>,
    /// May it be repeated? Default: by its method; `POST` and `PATCH` may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// When it fails: `fail` refuses the request (502, 503, 504), `continue` goes on without the answer. Default `fail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// When it is no longer tried, and when it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<BreakerOptions>,
    /// The longest answer, 16mb at the most. Default 256kb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_answer: Option<Size>,
    /// The longest request body that is looked into, 16mb at the most. Default 1mb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_request_body: Option<Size>,
}

/// For which requests a call is. All that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WhenSettings {
    /// For which methods; all if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// For which paths: globs (`/orders/**`) or linear regular expressions that begin with `^`; all if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// A field of the answer, and where it goes. One that is not there goes nowhere, and what the client has sent in its place
/// is removed: nobody but the API says what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldMapSettings {
    /// A JSON Pointer (`/user/tier`), or names with dots (`user.tier`). Empty for the whole answer.
    pub source: String,
    /// `header:NAME`, `query:NAME`, `value:NAME` (for later plugins), or a place in the request's JSON body:
    /// `body:/user/tier`, `body:user.tier`, `user.tier`.
    pub destination: String,
}

/// On which answers the request is stopped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(transform = schema::condition_aliases)]
pub struct ConditionSettings {
    /// Statuses of the answer: `404`, `4xx`, `500-599`. Holds without a `field`, or beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    /// A field of the answer: a JSON Pointer, or names with dots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How the field is compared. Default `eq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorName>,
    /// What with.
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Is the request stopped? With `false` it is only counted and logged. Default true.
    #[serde(alias = "stop_flow", skip_serializing_if = "Option::is_none")]
    pub stop_flow: Option<bool>,
    /// What the client is told. Default: that the request is not allowed to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The status that the client gets, 400 to 599. Default 422.
    #[schemars(range(min = 400, max = 599))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperatorName {
    /// It is that value.
    #[default]
    Eq,
    /// It is another, or not there.
    Neq,
    /// A number that is greater.
    Gt,
    /// A number that is greater or equal.
    Gte,
    /// A number that is less.
    Lt,
    /// A number that is less or equal.
    Lte,
    /// It is one of a list.
    In,
    /// It is there, and not `null`.
    Exists,
    /// It is not there, or `null`.
    Missing,
}

/// How answers are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CacheSettings {
    /// What answers are kept by, a template; a request without such a value is not served from here. Default: the whole
    /// call with its headers and body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How long; 0 keeps nothing, and only lets requests at one time share a call. Default 60s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
    /// How many. Default 10000.
    #[schemars(range(min = 1, max = 1_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_entries: Option<u32>,
    /// How many bytes of answers and keys together. Default 16mb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Size>,
}

/// What becomes of a request whose call failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It is refused.
    #[default]
    Fail,
    /// It goes on without the answer.
    Continue,
}

impl Default for EnricherSettings {
    fn default() -> Self {
        Self::Several(CallsSettings::default())
    }
}

impl<'de> Deserialize<'de> for EnricherSettings {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(source)?;
        let several = value.as_object().is_none_or(|object| object.is_empty() || object.contains_key("calls"));
        let read = if several {
            CallsSettings::deserialize(value).map(Self::Several)
        } else {
            CallSettings::deserialize(value).map(|call| Self::One(Box::new(call)))
        };
        read.map_err(de::Error::custom)
    }
}

/// A value that is `null` is one.
fn there<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(source).map(Some)
}

const MOST_CALLS: usize = 20;

impl EnricherSettings {
    /// The calls, each with where it stands.
    pub(crate) fn calls(&self) -> Vec<(String, &CallSettings)> {
        match self {
            Self::One(call) => vec![(String::new(), call)],
            Self::Several(several) => {
                several.calls.iter().enumerate().map(|(index, call)| (format!("/calls/{index}"), call)).collect()
            }
        }
    }
}

impl Settings for EnricherSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let calls = self.calls();
        if calls.len() > MOST_CALLS {
            let problem = SettingsProblem::new("/calls", "these are too many: a request waits for each");
            problems.push(problem.with_help(format!("write at most {MOST_CALLS}")));
        }
        for (index, (at, settings)) in calls.iter().enumerate() {
            let named = |(_, other): &(String, &CallSettings)| settings.name.is_some() && other.name == settings.name;
            if calls.iter().take(index).any(named) {
                let problem = SettingsProblem::new(format!("{at}/name"), "two calls have this name");
                problems.push(problem.with_help("give each a name of its own"));
            }
            if let Err(found) = Call::new(settings, at) {
                problems.extend(found);
            }
        }
        problems
    }
}
