//! What every plugin must do.

use plugin_logs::{LogBus, LogsPlugin};
use serde_json::json;

#[test]
fn is_a_plugin_like_any_other() {
    let settings = json!({
        "maxEntries": 500, "maxBytes": "1mb", "maxMessage": "4kb", "redact": ["authorization", "cookie", "x-tenant"],
        "access": true, "stdout": false, "query": true, "userAgent": false, "maxStreams": 4, "keepAlive": "5s"
    });
    buntime_testing::compliance(LogsPlugin::new, settings);
}

#[test]
fn with_a_collector_that_is_away_too() {
    let settings = json!({
        "otlp": { "endpoint": "http://127.0.0.1:9", "headers": { "api-key": "k" }, "protocol": "http/json", "level": "warn",
                  "sampleRatio": 0.5, "serviceName": "gate", "timeout": "200ms", "interval": "10ms", "queue": 16 }
    });
    let bus = LogBus::new();
    buntime_testing::compliance(move || LogsPlugin::on(bus.clone()), settings);
}
