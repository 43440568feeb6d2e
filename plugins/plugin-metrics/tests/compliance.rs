//! What every plugin must do.

use plugin_metrics::MetricsPlugin;
use serde_json::json;

#[test]
fn metrics_complies() {
    buntime_testing::compliance(
        || MetricsPlugin,
        json!({
            "prometheus": true,
            "sseInterval": "500ms",
            "maxStreams": 4,
            "access": "public",
            "buckets": [0.01, 0.1, 1],
            "maxRoutes": 50
        }),
    );
}
