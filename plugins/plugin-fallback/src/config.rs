//! Settings of the plugin.

use std::{collections::BTreeMap, path::PathBuf};

use buntime_core::{
    Settings, SettingsProblem,
    units::{Size, Span},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{content, document, matcher::Matcher, rule, status::StatusPattern};

/// What the plugin takes in `buntime.jsonc`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FallbackSettings {
    /// What is done about failures. The first that matches and can do something does it.
    pub rules: Vec<RuleSettings>,
    /// What errors look like. Of those that match, the one whose type the client likes best.
    pub documents: Vec<DocumentSettings>,
    /// How much of a request's body is kept so that it can be sent again. A longer one is sent once only.
    pub max_body: Size,
}

impl Default for FallbackSettings {
    fn default() -> Self {
        Self { rules: Vec::new(), documents: Vec::new(), max_body: Size(64 << 10) }
    }
}

/// Which failures, of which requests. Of each list one must match; a list that is empty demands nothing, except that
/// without `status` and `codes` every 5xx is meant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct When {
    /// Statuses: `503`, `"5xx"`. One of these or of `codes`.
    pub status: Vec<StatusPattern>,
    /// Codes of errors: `upstream_unreachable`. One of these or of `status`.
    pub codes: Vec<String>,
    /// Paths, as globs (`/shop/**`) or regular expressions that begin with `^`.
    pub paths: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Labels of what was matched, such as `service:users/users` or `proxy:legacy`; a `*` at the end is any rest.
    pub routes: Vec<String>,
    /// Is an answer with such a status, as an upstream's own, a failure too, or only an error of the gateway? Default
    /// false.
    pub answers: bool,
}

/// What is done about some failures, in this order: tried again, another service asked, a fixed response given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuleSettings {
    /// What it is called in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which failures.
    pub when: When,
    /// Try again what may be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySettings>,
    /// Then ask this service, if the request may be sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Then answer with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseSettings>,
}

/// How something is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetrySettings {
    /// How often, the first time not counted. Default 1.
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
    /// The pause before the first; each is twice the one before, and up to half of it is left to chance. Default 50ms.
    pub backoff: Span,
    /// No pause is longer. A `Retry-After` beyond it means that nothing is tried again. Default 1s.
    pub max_backoff: Span,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { attempts: 1, backoff: Span::millis(50), max_backoff: Span::secs(1) }
    }
}

/// A fixed response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResponseSettings {
    /// Its status. Default 200.
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// Its headers.
    #[schemars(extend("propertyNames" = { "format": "header-name" }))]
    pub headers: BTreeMap<String, String>,
    /// Its body: text as it is, anything else as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The file that is its body; read when the plugin starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub file: Option<PathBuf>,
}

impl Default for ResponseSettings {
    fn default() -> Self {
        Self { status: 200, headers: BTreeMap::new(), body: None, file: None }
    }
}

/// What some errors look like to some clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DocumentSettings {
    /// Which errors.
    pub when: When,
    /// The media type that a client must like better than `application/problem+json` to get it. Without it everybody
    /// gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// What its `Content-Type` says. Default: `accept`, else what the file's name says, else plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its text, with `{{status}}`, `{{title}}`, `{{detail}}`, `{{code}}` and `{{request_id}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The file with its text; read when the plugin starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub file: Option<PathBuf>,
}

impl Settings for FallbackSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        if self.max_body > Size(64 << 20) {
            let help = "it is kept in memory for each request under way; write at most 64mb";
            problems.push(SettingsProblem::new("/maxBody", "it is too much").with_help(help));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let pointer = format!("/rules/{index}");
            Matcher::check(&rule.when, &format!("{pointer}/when"), &mut problems);
            rule::check(rule, &pointer, &mut problems);
            if let Some(response) = &rule.response {
                content::check(response, &format!("{pointer}/response"), &mut problems);
            }
        }
        for (index, settings) in self.documents.iter().enumerate() {
            let pointer = format!("/documents/{index}");
            Matcher::check(&settings.when, &format!("{pointer}/when"), &mut problems);
            document::check(settings, &pointer, &mut problems);
        }
        problems
    }
}
