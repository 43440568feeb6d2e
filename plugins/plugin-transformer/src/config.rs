//! Settings of the plugin.

use std::collections::BTreeMap;

use buntime_core::{
    Settings, SettingsProblem,
    units::{Size, Span},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rule::Rule;

/// What the plugin takes in `buntime.jsonc`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TransformerSettings {
    /// What is changed, in this order. Every rule that is for an exchange applies.
    pub rules: Vec<RuleSettings>,
    /// The longest body that is kept to be looked into, 16mb at the most. Default 1mb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body_size: Option<Size>,
    /// How deep a body may nest. Default 64.
    #[schemars(range(min = 1, max = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<u8>,
    /// How long a body that is looked into may take to arrive. Beyond 4s raise `hookTimeout` of this entry too, which is
    /// 5s. Default 4s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_timeout: Option<Span>,
}

/// What becomes of an exchange that a rule cannot change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It fails: a request is refused, a response becomes a 502.
    #[default]
    Fail,
    /// It goes on as if the rule were not there; what the rule had changed is undone.
    Continue,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuleSettings {
    /// More specific levels change a rule by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For which exchanges it is; for all if it says nothing.
    pub when: WhenSettings,
    /// What it changes of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestSettings>,
    /// What it changes of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseSettings>,
    /// When it cannot do what it says: a body is not what it says it is, a value fits into no header. Default `fail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// When a body that it looks into is longer than `maxBodySize`. Default: what `onFailure` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_too_large: Option<OnFailure>,
    /// When a body that it looks into has a `Content-Encoding`. Default: what `onFailure` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_encoded: Option<OnFailure>,
}

/// For which exchanges a rule is. All that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WhenSettings {
    /// For which methods; all if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// For which paths, as the client asked for them: globs (`/orders/**`) or linear regular expressions that begin with
    /// `^`; all if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// For which consumers, by name; `*` is any that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<String>,
    /// For which content types of the message that is changed: `application/json`, `text/*`, `*+json`; any if there are
    /// none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content_types: Vec<String>,
    /// For which statuses of the response: `404`, `5xx`, `400-499`. Only for rules without `request`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
}

/// What a rule changes of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestSettings {
    /// Headers.
    pub headers: FieldSettings,
    /// Parameters of the query.
    pub query: FieldSettings,
    /// The path that the upstream is asked for. Policies judge what the client asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathSettings>,
    /// The body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<BodySettings>,
}

/// What a rule changes of a response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResponseSettings {
    /// Another status: 200 to 599, and one that may have a body.
    #[schemars(range(min = 200, max = 599))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers.
    pub headers: FieldSettings,
    /// The body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<BodySettings>,
}

/// Changes of headers or parameters, in this order. Values are templates; one that names what is not there is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FieldSettings {
    /// Takes all of that name away. A name that ends with `*` is every name that begins like it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Gives all of that name another one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// Puts a value in place of all of that name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Adds a value if there is none of that name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Adds one more value of that name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub append: BTreeMap<String, String>,
}

/// The path that the upstream is asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathSettings {
    /// A linear regular expression; a path that it does not match stays as it is. Its groups are `capture.1`,
    /// `capture.NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The new path, a template that begins with `/`.
    pub to: String,
}

/// Changes of a body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BodySettings {
    /// A whole new body: any JSON value, whose texts are templates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
    /// What is changed in it, in this order, after `template`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationSettings>,
    /// The format it is written in. Default: the one it came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<FormatName>,
    /// For XML: the name of an element that is put around the whole. Without it the body is an object of one entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// A format of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormatName {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/xml`.
    Xml,
}

/// What a value is made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KindName {
    /// A text.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list, of itself alone where it is none.
    List,
}

/// One change in a body. Places are JSON Pointers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum OperationSettings {
    /// Puts a value there; objects above it that are missing are made.
    Set {
        /// Where.
        path: String,
        /// Any JSON value, whose texts are templates.
        value: Value,
    },
    /// Takes away what is there.
    Remove {
        /// Where.
        path: String,
    },
    /// Takes what is in one place to another.
    Move {
        /// Where from.
        from: String,
        /// Where to.
        path: String,
    },
    /// Puts what is in one place into another too.
    Copy {
        /// Where from.
        from: String,
        /// Where to.
        path: String,
    },
    /// Gives an entry of an object another name.
    Rename {
        /// Where.
        path: String,
        /// The new name.
        to: String,
    },
    /// Makes what is there into a value of that kind: forms and XML know texts alone.
    Cast {
        /// Where.
        path: String,
        /// Into what.
        to: KindName,
    },
}

const MOST_RULES: usize = 100;
/// Values in memory take many times their text.
pub(crate) const MOST_BODY: Size = Size(16 << 20);

impl Settings for TransformerSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut say = |pointer: &str, what: &str, help: &str| {
            problems.push(SettingsProblem::new(pointer, what).with_help(help));
        };
        if self.max_body_size.is_some_and(|size| size > MOST_BODY || size.0 == 0) {
            say("/maxBodySize", "it is no size for bodies that are kept in memory as a whole", "write 1b to 16mb");
        }
        if self.max_depth.is_some_and(|depth| !(1..=100).contains(&depth)) {
            say("/maxDepth", "it is no depth", "write 1 to 100");
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
            if let Err(found) = Rule::new(settings, &format!("/rules/{index}")) {
                problems.extend(found);
            }
        }
        problems
    }
}
