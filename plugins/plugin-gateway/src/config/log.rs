//! Settings of what is remembered for operators: the request log and the history.

use std::time::Duration;

use buntime_core::{SettingsProblem, units::Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which requests are remembered, for the page and the API. Those over a limit always are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogSettings {
    /// Which others. Default `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Logged>,
}

/// Which requests are remembered beside those over a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Logged {
    /// All that the plugin saw.
    #[default]
    All,
    /// Those that were answered with 400 or above.
    Errors,
    /// None; they are counted.
    Limited,
    /// None, and nothing is counted: the plugin does not look at how requests end.
    None,
}

/// What is sampled for charts, and for how long it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HistorySettings {
    /// Is it sampled? Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How often. Default 1s; from 100ms to 1h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// How many samples are kept. Default 3600.
    #[schemars(range(min = 10, max = 100_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// Are they kept in the database, so that a restart keeps them? Default true, where there is a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<bool>,
}

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3600);

impl HistorySettings {
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval.map_or(Duration::from_secs(1), Duration::from)
    }

    pub(crate) fn samples(&self) -> usize {
        self.samples.map_or(3600, |samples| usize::try_from(samples).unwrap_or(3600))
    }

    pub(crate) fn in_database(&self) -> bool {
        self.database.unwrap_or(true)
    }

    pub(super) fn check(&self, at: &str, problems: &mut Vec<SettingsProblem>) {
        if !(SHORTEST..=LONGEST).contains(&self.interval()) {
            problems.push(SettingsProblem::new(format!("{at}/interval"), "it is a time from 100ms to 1h"));
        }
        if !(10..=100_000).contains(&self.samples()) {
            let problem = SettingsProblem::new(format!("{at}/samples"), "it is a number from 10 to 100000");
            problems.push(problem.with_help("each takes about 100 bytes; for months there is the metrics plugin"));
        }
    }
}
