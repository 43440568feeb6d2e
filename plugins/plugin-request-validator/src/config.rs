//! Settings of the plugin.

use buntime_core::{
    Settings, SettingsProblem,
    units::{Size, Span},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rule;

/// What the plugin takes in `buntime.jsonc`. A limit that is absent is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestValidatorSettings {
    /// The longest body; past it 413.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body_size: Option<Size>,
    /// The longest target (path and query), in bytes; past it 414.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_url_length: Option<u32>,
    /// How many header lines there may be; past it 431.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_headers: Option<u32>,
    /// The longest header line, its name included; past it 431.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_header_size: Option<Size>,
    /// How many query parameters there may be; past it 400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_query_parameters: Option<u32>,
    /// How many cookies there may be; past it 431.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cookies: Option<u32>,
    /// What is checked of some requests. Every rule that is for a request must hold.
    pub rules: Vec<RuleSettings>,
    /// How deep JSON may nest where a schema judges it. Default 64.
    #[schemars(range(min = 1, max = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<u8>,
    /// How many things that are wrong an answer lists. Default 20.
    #[schemars(range(min = 1, max = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_errors: Option<u8>,
    /// How long a body that a schema judges may take to arrive; past it 408. Beyond 4s raise `hookTimeout` of this entry
    /// too, which is 5s. Default 4s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_timeout: Option<Span>,
    /// `enforce`, or `observe`: only counts and logs what would be refused. Default `enforce`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeName>,
}

/// What becomes of a request that is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModeName {
    /// Refused.
    #[default]
    Enforce,
    /// Let through, counted and logged.
    Observe,
}

/// What is checked of some requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuleSettings {
    /// More specific levels change a rule by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For which methods; all if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// For which paths, as globs (`/orders/**`) or linear regular expressions that begin with `^`; all if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// What a body may be: `application/json`, `text/*`, `*+json`, `*/*`; else 415. Default with `bodySchema`:
    /// `application/json` and `*+json`; otherwise anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content_types: Vec<String>,
    /// Must there be a body? Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_required: Option<bool>,
    /// The longest body; past it 413. Default with `bodySchema`: 1mb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body_size: Option<Size>,
    /// The JSON Schema of bodies of a JSON type. Other bodies that `contentTypes` lets in are not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_schema: Option<Map<String, Value>>,
    /// Headers that must be there, and not empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_headers: Vec<String>,
    /// Query parameters that must be there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_query: Vec<String>,
    /// Query parameters that may be there, and no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_query: Option<Vec<String>>,
    /// The JSON Schema of the query as an object. A parameter is text, or what its property's `type` says it is:
    /// `integer`, `number`, `boolean`, `array` (of all its values).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_schema: Option<Map<String, Value>>,
}

const MOST_RULES: usize = 100;

impl Settings for RequestValidatorSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut say = |at: &str, message: &str, help: &str| {
            problems.push(SettingsProblem::new(at, message).with_help(help));
        };
        for (at, value) in [("/maxUrlLength", self.max_url_length), ("/maxHeaders", self.max_headers)] {
            if value == Some(0) {
                say(at, "no request would pass", "write at least 1, or leave it out");
            }
        }
        if self.max_header_size == Some(Size(0)) {
            say("/maxHeaderSize", "no request would pass", "write at least 1, or leave it out");
        }
        if self.max_depth.is_some_and(|depth| !(1..=100).contains(&depth)) {
            say("/maxDepth", "it is no depth", "write 1 to 100");
        }
        if self.max_errors.is_some_and(|most| !(1..=100).contains(&most)) {
            say("/maxErrors", "it is no number of errors", "write 1 to 100");
        }
        if self.body_timeout.is_some_and(|time| time.0.is_zero()) {
            say("/bodyTimeout", "no body would arrive in time", "write 4s, or leave it out");
        }
        if self.rules.len() > MOST_RULES {
            say("/rules", "these are too many", "write at most 100; rules of one service stand with that service");
        }
        for (index, settings) in self.rules.iter().enumerate() {
            let named = |other: &RuleSettings| settings.name.is_some() && other.name == settings.name;
            if self.rules.iter().take(index).any(named) {
                let problem = SettingsProblem::new(format!("/rules/{index}/name"), "two rules have this name");
                problems.push(problem.with_help("give each a name of its own"));
            }
            rule::check(settings, &format!("/rules/{index}"), &mut problems);
        }
        problems
    }
}
