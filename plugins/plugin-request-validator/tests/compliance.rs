//! What every plugin must do.

use plugin_request_validator::RequestValidatorPlugin;
use serde_json::json;

#[test]
fn the_validator_complies() {
    let settings = json!({
        "maxBodySize": "1mb", "maxUrlLength": 8192, "maxHeaders": 100, "maxHeaderSize": "8kb", "maxQueryParameters": 50,
        "maxCookies": 20, "maxDepth": 32, "maxErrors": 10, "bodyTimeout": "3s", "mode": "enforce",
        "rules": [{
            "name": "orders", "methods": ["POST"], "paths": ["/orders/**"], "contentTypes": ["application/json"],
            "bodyRequired": true, "maxBodySize": "64kb", "bodySchema": { "type": "object", "required": ["item"] },
            "requiredHeaders": ["x-tenant"], "requiredQuery": ["dry"], "allowedQuery": ["dry", "page"],
            "querySchema": { "properties": { "dry": { "type": "boolean" }, "page": { "type": "integer", "minimum": 1 } } }
        }]
    });
    buntime_testing::compliance(|| RequestValidatorPlugin, settings);
}
