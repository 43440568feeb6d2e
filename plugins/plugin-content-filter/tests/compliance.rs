//! What every plugin must do.

use plugin_content_filter::ContentFilterPlugin;
use serde_json::json;

#[test]
fn the_filter_complies() {
    let settings = json!({
        "rules": [
            { "name": "cards", "detect": ["credit_card"], "keepLast": 4 },
            { "name": "secrets", "detect": ["api_key", "bearer_token", "jwt"], "on": "response", "action": "block" },
            { "name": "people", "detect": ["email", "phone_number"], "action": "observe" },
            { "name": "words", "keywords": ["project x"], "ignoreCase": false, "on": "request", "maskWith": "***" },
            { "name": "ids", "patterns": ["\\bACME-[0-9]{6}\\b"] }
        ],
        "window": "1kb", "contentTypes": ["text/*", "application/json"], "encoded": "skip", "ranges": "refuse",
        "maxRequestBody": "64kb", "maxHeldResponse": "8kb", "bodyTimeout": "2s", "status": 422
    });
    buntime_testing::compliance(|| ContentFilterPlugin, settings);
}
