//! The settings of this plugin.

use buntime_core::{
    Settings, SettingsProblem,
    units::{Size, Span},
};
use buntime_database::settings::AdapterSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which databases there are, and how much may be asked of them here.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DatabaseSettings {
    /// The databases of the runtime: each type at most once, one of them `"default": true` (one alone is the default). They
    /// are opened at the start, whether or not this plugin is enabled. Default: the libSQL server of `LIBSQL_URL_0`, or
    /// else a SQLite file in `dataDir`.
    pub adapters: Vec<AdapterSettings>,
    /// Rows of one answer, 1 to 1000000. Default 10000.
    pub max_rows: usize,
    /// What the values of one answer may take, 64kb to 256mb. Default 16mb.
    pub max_answer: Size,
    /// The longest statement, 1kb to 16mb. Default 1mb.
    pub max_statement: Size,
    /// The largest request, 64kb to 1gb. Default 10mb.
    pub max_body: Size,
    /// Hrana streams that are open at the same time, 1 to 10000. Default 64. Each database has a bound of its own, too.
    pub max_streams: usize,
    /// A stream that nothing is asked of for so long is ended, and rolled back; 1s to 1h. Default 10s.
    pub stream_idle: Span,
    /// How long one statement may take, 100ms to 1h. Default 30s.
    pub query_timeout: Span,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            adapters: Vec::new(),
            max_rows: 10_000,
            max_answer: Size(16 << 20),
            max_statement: Size(1 << 20),
            max_body: Size(10 << 20),
            max_streams: 64,
            stream_idle: Span::secs(10),
            query_timeout: Span::secs(30),
        }
    }
}

impl Settings for DatabaseSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut check = |is_within: bool, pointer: &str, range: &str| {
            if !is_within {
                problems.push(SettingsProblem::new(pointer, "out of range").with_help(format!("write {range}")));
            }
        };
        check((1..=1_000_000).contains(&self.max_rows), "/maxRows", "a number from 1 to 1000000");
        check((Size(64 << 10)..=Size(256 << 20)).contains(&self.max_answer), "/maxAnswer", "a size from 64kb to 256mb");
        let statement = Size(1 << 10)..=Size(16 << 20);
        check(statement.contains(&self.max_statement), "/maxStatement", "a size from 1kb to 16mb");
        check((Size(64 << 10)..=Size(1 << 30)).contains(&self.max_body), "/maxBody", "a size from 64kb to 1gb");
        check((1..=10_000).contains(&self.max_streams), "/maxStreams", "a number from 1 to 10000");
        let hour = Span::secs(3600);
        check((Span::secs(1)..=hour).contains(&self.stream_idle), "/streamIdle", "a duration from 1s to 1h");
        check((Span::millis(100)..=hour).contains(&self.query_timeout), "/queryTimeout", "a duration from 100ms to 1h");
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
        let problems = SettingsSpec::of::<DatabaseSettings>().check(&json!({
            "adapters": [{ "type": "sqlite" }], "maxRows": 0, "maxAnswer": 1, "maxStatement": "1gb", "maxBody": 1,
            "maxStreams": 0, "streamIdle": 0, "queryTimeout": "2h",
        }));
        let places: Vec<&str> = problems.iter().map(|problem| &*problem.pointer).collect();
        let expected =
            ["/maxRows", "/maxAnswer", "/maxStatement", "/maxBody", "/maxStreams", "/streamIdle", "/queryTimeout"];
        assert_eq!(places, expected);
        assert_eq!(SettingsSpec::of::<DatabaseSettings>().check(&json!({})), []);
    }

    #[test]
    fn adapters_are_read_and_never_shown() {
        let check = |adapters| SettingsSpec::of::<DatabaseSettings>().check(&json!({ "adapters": adapters }));
        assert_eq!(check(json!([{ "type": "postgres", "url": "postgres://u:p@h/d" }, { "type": "libsql" }])), []);
        assert!(check(json!([{ "type": "mysql" }]))[0].to_string().contains("mysql"));
        assert!(check(json!([{ "type": "sqlite", "ulr": "x" }]))[0].to_string().contains("ulr"));
        let settings: DatabaseSettings =
            serde_json::from_value(json!({ "adapters": [{ "type": "postgres", "url": "postgres://u:hidden@h/d" }] }))
                .unwrap();
        assert!(!format!("{settings:?} {}", serde_json::to_string(&settings).unwrap()).contains("hidden"));
    }
}
