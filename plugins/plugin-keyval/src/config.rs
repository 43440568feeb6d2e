//! The settings of this plugin.

use buntime_core::{
    Settings, SettingsProblem,
    units::{Size, Span},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the store is, and who may use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeyvalSettings {
    /// The type of the database the store is in: `sqlite`, `libsql` or `postgres`. Default: the default database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Tokens of 16 characters or more, any of which a client of KV Connect must show. Default: none, and then only direct
    /// connections from this machine are let in.
    pub access_tokens: Vec<String>,
    /// Watches at the same time, 1 to 100000; each prefix that is watched counts as one. Default 1000.
    pub max_watches: usize,
    /// A watch on which nothing happens sends a sign of life that often, 1s to 1h. Default 5s.
    pub keep_alive: Span,
    /// The largest value or message that REST takes, 1kb to 1mb. Default 64kb, as in Deno, whose clients are always held to that.
    pub max_value: Size,
    /// Namespaces there may be, 1 to 1000000. Default 1000.
    pub max_namespaces: usize,
}

impl Default for KeyvalSettings {
    fn default() -> Self {
        Self {
            database: None,
            access_tokens: Vec::new(),
            max_watches: 1000,
            keep_alive: Span::secs(5),
            max_value: Size(64 << 10),
            max_namespaces: 1000,
        }
    }
}

/// What is shorter can be guessed.
const SHORTEST_TOKEN: usize = 16;

impl Settings for KeyvalSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut wrong = |pointer: String, message: &str, help: &str| {
            problems.push(SettingsProblem::new(pointer, message).with_help(help));
        };
        for (index, token) in self.access_tokens.iter().enumerate() {
            if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                let help = "write 16 or more visible characters, such as those of `openssl rand -hex 32`";
                wrong(format!("/accessTokens/{index}"), "this token is too short or cannot stand in a header", help);
            }
        }
        if !(1..=100_000).contains(&self.max_watches) {
            wrong("/maxWatches".to_owned(), "out of range", "write a number from 1 to 100000");
        }
        if !(Span::secs(1)..=Span::secs(3600)).contains(&self.keep_alive) {
            wrong("/keepAlive".to_owned(), "out of range", "write a duration from 1s to 1h");
        }
        if !(Size(1 << 10)..=Size(1 << 20)).contains(&self.max_value) {
            wrong("/maxValue".to_owned(), "out of range", "write a size from 1kb to 1mb");
        }
        if !(1..=1_000_000).contains(&self.max_namespaces) {
            wrong("/maxNamespaces".to_owned(), "out of range", "write a number from 1 to 1000000");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use buntime_core::SettingsSpec;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_problem_has_its_place() {
        let problems = SettingsSpec::of::<KeyvalSettings>().check(&json!({
            "accessTokens": ["long-enough-to-be-one", "short", "with spaces in between"], "maxWatches": 0, "keepAlive": 0,
            "maxValue": 0, "maxNamespaces": 0,
        }));
        let places: Vec<&str> = problems.iter().map(|problem| &*problem.pointer).collect();
        assert_eq!(
            places,
            ["/accessTokens/1", "/accessTokens/2", "/maxWatches", "/keepAlive", "/maxValue", "/maxNamespaces"]
        );
        assert!(!problems.iter().any(|problem| problem.to_string().contains("short\"")));
        assert_eq!(SettingsSpec::of::<KeyvalSettings>().check(&json!({})), []);
    }
}
