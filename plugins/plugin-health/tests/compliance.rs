//! What every plugin must do.

use plugin_health::HealthPlugin;
use serde_json::json;

#[test]
fn health_complies() {
    buntime_testing::compliance(
        || HealthPlugin,
        json!({ "timeout": "2s", "cacheFor": "500ms", "access": "public", "tolerate": ["upstream:*", "disk"] }),
    );
}
