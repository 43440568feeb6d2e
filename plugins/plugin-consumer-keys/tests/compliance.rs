//! What every plugin must do.

use plugin_consumer_keys::ConsumerKeysPlugin;
use serde_json::json;

#[test]
fn consumer_keys_complies() {
    buntime_testing::compliance(|| ConsumerKeysPlugin, json!({ "forwardKey": true }));
}
