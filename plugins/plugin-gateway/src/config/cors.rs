//! Settings of CORS.

use buntime_core::{SettingsProblem, units::Span};
use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cors::origin;

/// Which other origins browsers may call from, and with what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsSettings {
    /// Origins: exact (`https://app.example.com`), `*.example.org` for every subdomain by https on the default port
    /// (`http://*.example.org:8080` for others), a regular expression that begins with `^` or `(` and is anchored at
    /// both ends, or `*` for all. Without it none is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Words>,
    /// Methods that may be asked for; `*` for all. Default GET, HEAD, PUT, PATCH, POST, DELETE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Words>,
    /// Headers that may be sent; `*` for all. Default: those that are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_headers: Option<Words>,
    /// Headers of answers that scripts may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_headers: Option<Words>,
    /// May cookies and other credentials come along? Not with the origin `*`. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<bool>,
    /// How long a browser remembers the answer to a preflight. Default 1d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
    /// May a public page call into a private network? Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_network: Option<bool>,
}

/// One word or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, or a list of texts")]
pub enum Words {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Words {
    /// All of them.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Several(words) => words,
        }
    }
}

/// The words of a setting that may be absent, and whether it is there.
pub(crate) fn words(words: Option<&Words>) -> &[String] {
    words.map_or(&[], Words::as_slice)
}

const MOST_WORDS: usize = 1000;
/// A year; browsers cap it at far less.
const LONGEST_AGE: u64 = 366 * 86_400;

impl CorsSettings {
    pub(super) fn check(&self, pointer: &str, problems: &mut Vec<SettingsProblem>) {
        let mut say = |at: String, message: String, help: &str| {
            problems.push(SettingsProblem::new(format!("{pointer}{at}"), message).with_help(help));
        };
        let origins = words(self.origin.as_ref());
        let at = |key: &str, setting: &Option<Words>, index: usize| match setting {
            Some(Words::Several(_)) => format!("/{key}/{index}"),
            _ => format!("/{key}"),
        };
        for (index, text) in origins.iter().enumerate() {
            if let Err(why) = origin::Pattern::new(text) {
                let help = "write https://app.example.com, *.example.org, ^https://…$ or *";
                say(at("origin", &self.origin, index), why, help);
            }
        }
        if self.credentials == Some(true) && origins.iter().any(|origin| origin == "*") {
            let help = "any page could act for whoever is signed in: list the origins, or take `credentials` away";
            say("/credentials".to_owned(), "credentials do not go with the origin `*`".to_owned(), help);
        }
        if self.credentials == Some(true) && words(self.exposed_headers.as_ref()).iter().any(|name| name == "*") {
            let help = "browsers take `*` as a name when credentials come along: list the headers";
            say("/exposedHeaders".to_owned(), "`*` does not go with credentials".to_owned(), help);
        }
        for (key, setting) in [
            ("origin", &self.origin),
            ("methods", &self.methods),
            ("allowedHeaders", &self.allowed_headers),
            ("exposedHeaders", &self.exposed_headers),
        ] {
            if words(setting.as_ref()).len() > MOST_WORDS {
                say(format!("/{key}"), "it is too long".to_owned(), "write at most 1000");
            }
        }
        for (index, method) in words(self.methods.as_ref()).iter().enumerate() {
            if method != "*" && Method::from_bytes(method.as_bytes()).is_err() {
                say(at("methods", &self.methods, index), format!("`{method}` is no method"), "write GET, POST, … or *");
            }
        }
        for (key, setting) in [("allowedHeaders", &self.allowed_headers), ("exposedHeaders", &self.exposed_headers)] {
            for (index, name) in words(setting.as_ref()).iter().enumerate() {
                if name != "*" && HeaderName::from_bytes(name.as_bytes()).is_err() {
                    say(at(key, setting, index), format!("`{name}` is no header name"), "write X-Name, or *");
                }
            }
        }
        if self.max_age.is_some_and(|age| age.as_secs() > LONGEST_AGE) {
            say("/maxAge".to_owned(), "it is too long".to_owned(), "write at most 366d");
        }
    }
}
