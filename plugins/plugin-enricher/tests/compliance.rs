//! What every plugin must do.

use plugin_enricher::EnricherPlugin;
use serde_json::json;

#[test]
fn the_enricher_complies() {
    let settings = json!({ "calls": [{
        "name": "profile", "endpoint": "https://api.example.com/users/{{identity.subject ?? none}}", "method": "GET", "timeout": "1s",
        "headers": { "authorization": "Bearer token" }, "queryParams": { "v": "1" },
        "when": { "methods": ["PATCH"], "paths": ["/never/**"] },
        "fieldMaps": [
            { "source": "tier", "destination": "header:x-tier" }, { "source": "/id", "destination": "query:user" },
            { "source": "", "destination": "value:profile" }, { "source": "a.b", "destination": "body:/user/b" } ],
        "conditions": [
            { "field": "blocked", "operator": "eq", "value": true, "stopFlow": true, "message": "blocked", "status": 403 },
            { "statuses": ["404"], "stopFlow": false } ],
        "cache": { "key": "{{identity.subject}}", "ttl": "30s", "maxEntries": 100, "maxBytes": "1mb" },
        "retries": 1, "onFailure": "continue", "circuit": { "failures": 3, "window": "10s", "open": "5s", "halfOpenProbes": 1, "successes": 1 },
        "maxAnswer": "64kb", "maxRequestBody": "64kb"
    }, {
        "name": "check", "endpoint": "https://api.example.com/check", "method": "POST", "body": { "ip": "{{client_ip}}" }, "idempotent": true,
        "when": { "paths": ["/never/**"] }
    }] });
    buntime_testing::compliance(|| EnricherPlugin, settings);
}
