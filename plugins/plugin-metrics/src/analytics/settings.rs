//! Settings of the analytics.

use buntime_core::{Exposure, SettingsProblem, units::Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `analytics` among the plugin's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AnalyticsSettings {
    /// Keep aggregates in the default database? Unless said, yes if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Who may read them, since they name consumers: `admin` for holders of the admin token, or `public`.
    pub access: Exposure,
    /// How far back they reach, 1h to 400d: in 6 hours; in hours for at most 14 days, in 10 minutes for at most 3 days, in
    /// minutes for at most 3 hours.
    pub retention: Span,
    /// How many combinations of route, consumer, status and error code are told apart at a time; requests of further
    /// ones count as `other`.
    #[schemars(range(min = 1, max = 5_000))]
    pub max_series: u32,
    /// How often they are written, 100ms to 10m. A kill loses what was counted since.
    pub flush_interval: Span,
}

impl Default for AnalyticsSettings {
    fn default() -> Self {
        Self {
            enabled: None,
            access: Exposure::Admin,
            retention: Span::secs(30 * 86_400),
            max_series: 500,
            flush_interval: Span::secs(10),
        }
    }
}

impl AnalyticsSettings {
    /// What makes no sense.
    pub(crate) fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut wrong = |pointer: &str, message: &str, help: &str| {
            problems.push(SettingsProblem::new(pointer, message).with_help(help));
        };
        if !(Span::secs(3_600)..=Span::secs(400 * 86_400)).contains(&self.retention) {
            wrong("/analytics/retention", "it is out of range", "write a duration from 1h to 400d");
        }
        if !(1..=5_000).contains(&self.max_series) {
            wrong("/analytics/maxSeries", "it is out of range", "write a number from 1 to 5000");
        }
        if !(Span::millis(100)..=Span::secs(600)).contains(&self.flush_interval) {
            wrong("/analytics/flushInterval", "it is out of range", "write a duration from 100ms to 10m");
        }
        problems
    }
}
