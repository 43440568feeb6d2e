//! Settings that are wrong, and what is said of them.

use buntime_core::Plugin;
use plugin_enricher::EnricherPlugin;
use serde_json::{Value, json};

fn problems(settings: &Value) -> Vec<String> {
    EnricherPlugin.settings().check(settings).iter().map(ToString::to_string).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "every caller writes it in place")]
fn call(more: Value) -> Value {
    let mut call = json!({ "endpoint": "https://api.example.com/" });
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "calls": [call] })
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
    let map = |to: &str| call(json!({ "fieldMaps": [{ "source": "a", "destination": to }] }));
    let condition = |condition: Value| call(json!({ "conditions": [condition] }));
    for (settings, at, what) in [
        (
            json!({ "calls": [{ "endpoint": "https://a.example/", "name": "a" }, { "endpoint": "https://a.example/", "name": "a" }] }),
            "/calls/1/name",
            "name of its own",
        ),
        (json!({ "calls": [{}] }), "", "endpoint"),
        (json!({ "endpoint": "api.example.com" }), "/endpoint", "https://"),
        (json!({ "endpoint": "ftp://api.example.com/" }), "/endpoint", "no URL"),
        (json!({ "endpoint": "http://user@api.example.com/a\\b" }), "/endpoint", "no URL"),
        (json!({ "endpoint": "https://a.example/{{heder.x}}" }), "/endpoint", "did you mean `header.x`"),
        (json!({ "endpoint": "https://a.example/{{status}}" }), "/endpoint", "no response yet"),
        (call(json!({ "method": "post" })), "/calls/0/method", "capitals"),
        (call(json!({ "method": "CONNECT" })), "/calls/0/method", "no method"),
        (call(json!({ "timeout": "0s" })), "/calls/0/timeout", "60s"),
        (call(json!({ "timeout": "2m" })), "/calls/0/timeout", "60s"),
        (call(json!({ "retries": 1 })), "/calls/0/retries", "idempotent"),
        (call(json!({ "retries": 6, "method": "GET" })), "/calls/0/retries", "0 to 5"),
        (call(json!({ "maxAnswer": "17mb" })), "/calls/0/maxAnswer", "16mb"),
        (call(json!({ "headers": { "x-a": "{{qery.q}}" } })), "/calls/0/headers/x-a", "did you mean `query.q`"),
        (call(json!({ "headers": { "content-length": "1" } })), "/calls/0/headers/content-length", "from the body"),
        (call(json!({ "headers": { "x-key": "hunter2\n" } })), "/calls/0/headers/x-key", "value of a header"),
        (call(json!({ "queryParams": { "a": "{{method" } })), "/calls/0/queryParams/a", "never closed"),
        (call(json!({ "body": { "a": "{{bdy}}" } })), "/calls/0/body/a", "did you mean `body"),
        (call(json!({ "cache": { "key": "{{claim}}" } })), "/calls/0/cache/key", "claim.NAME"),
        (call(json!({ "cache": { "maxEntries": 0 } })), "/calls/0/cache/maxEntries", "1 to"),
        (call(json!({ "when": { "paths": ["orders"] } })), "/calls/0/when/paths/0", "no path pattern"),
        (map("header:x-identity"), "/calls/0/fieldMaps/0/destination", "server alone"),
        (map("header:a b"), "/calls/0/fieldMaps/0/destination", "no name"),
        (map("cookie:a"), "/calls/0/fieldMaps/0/destination", "no destination"),
        (map("value:identity"), "/calls/0/fieldMaps/0/destination", "reserved"),
        (map("query:"), "/calls/0/fieldMaps/0/destination", "query:NAME"),
        (map("body:"), "/calls/0/fieldMaps/0/destination", "body:/user/tier"),
        (map("body:a..b"), "/calls/0/fieldMaps/0/destination", "empty"),
        (condition(json!({})), "/calls/0/conditions/0", "looks at nothing"),
        (condition(json!({ "field": "a" })), "/calls/0/conditions/0", "no `value`"),
        (condition(json!({ "value": 1 })), "/calls/0/conditions/0/value", "write `field`"),
        (condition(json!({ "field": "a", "operator": "gt", "value": "1" })), "/calls/0/conditions/0/value", "number"),
        (condition(json!({ "field": "a", "operator": "in", "value": "1" })), "/calls/0/conditions/0/value", "list"),
        (condition(json!({ "field": "a", "operator": "like", "value": "1" })), "", "eq"),
        (condition(json!({ "field": "a", "value": 1, "status": 200 })), "/calls/0/conditions/0/status", "400 to 599"),
        (condition(json!({ "statuses": ["40"] })), "/calls/0/conditions/0/statuses/0", "5xx"),
        (json!({ "endpoint": "https://a.example/", "fieldMap": [] }), "", "fieldMaps"),
    ] {
        let told = problems(&settings);
        let found = told.iter().any(|text| text.contains(at) && text.contains(what));
        assert!(found, "{settings} should be told at `{at}` with `{what}`: {told:?}");
        assert!(!told.iter().any(|text| text.contains("hunter2")), "{told:?}");
    }
}

#[test]
fn what_is_fine_is_taken() {
    for settings in [
        json!({}),
        json!({ "calls": [] }),
        json!({ "endpoint": "http://127.0.0.1:9000/lookup?a={{query.a}}" }),
        json!({ "endpoint": "{{header.x-url}}" }),
        json!({ "endpoint": "https://{{header.x-host}}/a" }),
        // TrustGate's spelling.
        json!({ "endpoint": "https://api.example.com/lookup", "method": "POST", "timeout": "5s", "headers": { "x-key": "k" }, "query_params": { "a": "1" },
            "field_maps": [{ "source": "user.tier", "destination": "tier" }],
            "conditions": [{ "field": "user.blocked", "operator": "neq", "value": false, "stop_flow": true, "message": "no" }] }),
    ] {
        assert_eq!(problems(&settings), Vec::<String>::new(), "{settings}");
    }
}

#[test]
fn the_schema_knows_every_spelling() {
    let schema = EnricherPlugin.settings().schema().to_string();
    for key in ["field_maps", "fieldMaps", "query_params", "stop_flow", "stopFlow", "calls"] {
        assert!(schema.contains(&format!("\"{key}\"")), "{key}");
    }
}
