//! Settings of the plugin.

use buntime_core::{
    Settings, SettingsProblem,
    units::{Size, Span},
};
use buntime_http::media::MediaPattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rule;

/// What the plugin takes in `buntime.jsonc`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContentFilterSettings {
    /// What is looked for, and what is done then.
    pub rules: Vec<RuleSettings>,
    /// The longest match; also the most of a stream that is held back. Default 2kb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Size>,
    /// What is text: `text/*`, `*+json`. Default: text, JSON, NDJSON, XML, JavaScript, GraphQL, forms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content_types: Vec<String>,
    /// What becomes of text with a `Content-Encoding`, which cannot be read. Default `block`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoded: Option<Encoded>,
    /// What becomes of requests for a part of an answer: parts could cut a match in two. Default `whole`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Ranges>,
    /// A request's body up to this is read as a whole where a rule may block it, so that nothing of it reaches the
    /// upstream. A longer one is cut off at the match. Default 1mb, at most 16mb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_body: Option<Size>,
    /// A response that says it is no longer than this is read as a whole where a rule may block it, so that a match
    /// becomes an error. A longer one, or a stream, is cut off at the match. Default 64kb, at most 16mb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_held_response: Option<Size>,
    /// How long a body that is read as a whole may take; past it the body streams. Default 4s, at most that unless
    /// `hookTimeout` of this entry is raised too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_timeout: Option<Span>,
    /// The status of a request that is blocked. Default 403.
    #[schemars(range(min = 400, max = 499))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// One thing that is looked for: ready sets, keywords or patterns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuleSettings {
    /// What it is called in figures and in the log; more specific levels change a rule by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Ready sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detect: Vec<Detect>,
    /// Words and phrases, wherever they stand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Regular expressions in linear time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// Are keywords the same in upper and lower case (of ASCII)? Default true. Patterns say `(?i)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_case: Option<bool>,
    /// Where it is looked for. Default `both`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
    /// What is done. Default `redact`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// What stands in the place of a match. Default `[MASKED]`, for ready sets `[MASKED_CC]` and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_with: Option<String>,
    /// How many characters at the end of a match stay, if it is at least twice as long. Default 0.
    #[schemars(range(max = 8))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u8>,
}

/// A ready set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Detect {
    /// Payment cards: 13 to 19 digits, with blanks or dashes between them, whose check digit is right (Luhn).
    CreditCard,
    /// Keys of well-known services, by their prefixes: AWS, GitHub, GitLab, Google, npm, `OpenAI`, Anthropic,
    /// Slack, Stripe.
    ApiKey,
    /// `Bearer` and a token.
    BearerToken,
    /// JSON Web Tokens.
    Jwt,
    /// E-mail addresses.
    Email,
    /// Telephone numbers: international with `+`, and the North American form.
    PhoneNumber,
}

/// Where something is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// In bodies of requests.
    Request,
    /// In bodies of responses.
    Response,
    /// In both.
    #[default]
    Both,
}

/// What is done about a match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The request is refused, or the response replaced by an error or cut off.
    Block,
    /// The match is masked.
    #[default]
    Redact,
    /// It is counted and logged.
    Observe,
}

/// What becomes of text that is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoded {
    /// 415 for a request, 502 for a response.
    #[default]
    Block,
    /// It passes as it is.
    Skip,
}

/// What becomes of requests for parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ranges {
    /// The upstream is asked for the whole.
    #[default]
    Whole,
    /// It is asked for the part; an answer that is a part of a text is refused with 502.
    Refuse,
}

/// The least and the largest window.
const WINDOW: (Size, Size) = (Size(16), Size(64 << 10));
/// The default of `window`.
pub(crate) const DEFAULT_WINDOW: Size = Size(2 << 10);
const MOST_KEPT: Size = Size(16 << 20);
const MOST_RULES: usize = 100;

impl ContentFilterSettings {
    /// The longest match, in bytes.
    pub(crate) fn window(&self) -> usize {
        self.window.unwrap_or(DEFAULT_WINDOW).as_usize()
    }
}

impl Settings for ContentFilterSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut say = |at: String, message: &str, help: &str| {
            problems.push(SettingsProblem::new(at, message).with_help(help));
        };
        if self.window.is_some_and(|window| !(WINDOW.0..=WINDOW.1).contains(&window)) {
            say("/window".to_owned(), "it is no window", "write 16b to 64kb");
        }
        for (at, size) in [("/maxRequestBody", self.max_request_body), ("/maxHeldResponse", self.max_held_response)] {
            if size.is_some_and(|size| size > MOST_KEPT) {
                say(at.to_owned(), "it is too much", "it is kept in memory for each exchange; write at most 16mb");
            }
        }
        if self.status.is_some_and(|status| !(400..=499).contains(&status)) {
            say("/status".to_owned(), "it is no status of a refusal", "write one from 400 to 499");
        }
        if self.body_timeout.is_some_and(|time| time.0.is_zero()) {
            say("/bodyTimeout".to_owned(), "no body would arrive in time", "write 4s, or leave it out");
        }
        for (index, text) in self.content_types.iter().enumerate() {
            if MediaPattern::new(text).is_none() {
                say(
                    format!("/contentTypes/{index}"),
                    &format!("`{text}` is none"),
                    "write text/plain, text/* or *+json",
                );
            }
        }
        if self.rules.len() > MOST_RULES {
            say("/rules".to_owned(), "these are too many", "each body is searched for all of them; write at most 100");
        }
        // A window that is none says nothing about patterns.
        let window = if problems.is_empty() { self.window() } else { WINDOW.1.as_usize() };
        for (index, settings) in self.rules.iter().enumerate() {
            let named = |other: &RuleSettings| settings.name.is_some() && other.name == settings.name;
            if self.rules.iter().take(index).any(named) {
                let problem = SettingsProblem::new(format!("/rules/{index}/name"), "two rules have this name");
                problems.push(problem.with_help("give each a name of its own"));
            }
            rule::check(settings, &format!("/rules/{index}"), window, &mut problems);
        }
        problems
    }
}
