//! Settings of the plugin.

use buntime_core::{Exposure, Settings, SettingsProblem, units::Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AnalyticsSettings;

/// Upper bounds of the latency buckets unless configured otherwise, in seconds.
pub const DEFAULT_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What the plugin takes in `buntime.jsonc`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// Offer the Prometheus endpoint? Off, it answers 404.
    pub prometheus: bool,
    /// How often a live stream sends.
    pub sse_interval: Span,
    /// How many live streams may be open at a time; the next is answered 503.
    #[schemars(range(min = 1))]
    pub max_streams: u32,
    /// Who may read: `public`, or `admin` for holders of the admin token.
    pub access: Exposure,
    /// Upper bounds of the latency buckets, in seconds, ascending. Changing them starts the counts anew.
    #[schemars(length(min = 1, max = 40))]
    pub buckets: Vec<f64>,
    /// How many route labels are told apart; requests of any further one count as `other`.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_routes: u32,
    /// Who asked for what and what came of it, over an hour, a day, a month: kept in the database.
    pub analytics: AnalyticsSettings,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            prometheus: true,
            sse_interval: Span::secs(1),
            max_streams: 32,
            access: Exposure::Public,
            buckets: DEFAULT_BUCKETS.to_vec(),
            max_routes: 200,
            analytics: AnalyticsSettings::default(),
        }
    }
}

impl Settings for MetricsSettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut wrong = |pointer: &str, message: &str, help: &str| {
            problems.push(SettingsProblem::new(pointer, message).with_help(help));
        };
        if !(Span::millis(100)..=Span::secs(3600)).contains(&self.sse_interval) {
            wrong("/sseInterval", "it is out of range", "write a duration from 100ms to 1h");
        }
        if self.max_streams == 0 {
            wrong("/maxStreams", "no stream could ever open", "write a number from 1");
        }
        if !(1..=10_000).contains(&self.max_routes) {
            wrong("/maxRoutes", "it is out of range", "write a number from 1 to 10000");
        }
        if !(1..=40).contains(&self.buckets.len()) {
            wrong("/buckets", "there must be from 1 to 40 bounds", "leave it out for the default ones");
        }
        let positive = self.buckets.iter().all(|bound| (1e-6..=86_400.0).contains(bound));
        if !positive || !self.buckets.is_sorted_by(|a, b| a < b) {
            wrong("/buckets", "bounds must ascend", "write seconds from 0.000001 to 86400, such as [0.01, 0.1, 1]");
        }
        problems.extend(self.analytics.problems());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_core::SettingsSpec;
    use serde_json::json;

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        let spec = SettingsSpec::of::<MetricsSettings>();
        assert_eq!(spec.check(&json!({})), []);
        let all = json!({ "sseInterval": 0, "maxStreams": 0, "maxRoutes": 0, "buckets": [] });
        let places: Vec<String> = spec.check(&all).into_iter().map(|p| p.pointer).collect();
        assert_eq!(places, ["/sseInterval", "/maxStreams", "/maxRoutes", "/buckets"]);
        let out = json!({ "analytics": { "retention": "59m", "maxSeries": 0, "flushInterval": "1ms" } });
        let places: Vec<String> = spec.check(&out).into_iter().map(|p| p.pointer).collect();
        assert_eq!(places, ["/analytics/retention", "/analytics/maxSeries", "/analytics/flushInterval"]);
        for buckets in [json!([1, 0.5]), json!([0.0]), json!([1, 1]), json!([1e300])] {
            assert_eq!(spec.check(&json!({ "buckets": buckets })).len(), 1, "{buckets}");
        }
    }
}
