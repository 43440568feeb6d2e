//! What every plugin must do.

use plugin_fallback::FallbackPlugin;
use serde_json::json;

#[test]
fn fallback_complies() {
    let when = json!({ "status": ["5xx", 429], "codes": ["upstream_unavailable"], "paths": ["/shop/**"],
        "methods": ["GET"], "routes": ["service:users/*"], "answers": true });
    let retry = json!({ "attempts": 2, "backoff": "50ms", "maxBackoff": "1s" });
    let response = json!({ "status": 200, "headers": { "x-fallback": "yes" }, "body": { "items": [] } });
    buntime_testing::compliance(
        || FallbackPlugin,
        json!({
            "rules": [{ "name": "shop", "when": when, "retry": retry, "response": response }],
            "documents": [{ "when": { "status": [404] }, "accept": "text/html", "body": "<h1>{{status}}</h1>" }],
            "maxBody": "64kb"
        }),
    );
}
