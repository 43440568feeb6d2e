//! Settings that are wrong, and what is said of them.

use buntime_core::Plugin;
use plugin_request_validator::RequestValidatorPlugin;
use serde_json::{Value, json};

fn problems(settings: &Value) -> Vec<String> {
    RequestValidatorPlugin.settings().check(settings).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
    let rule = |rule: Value| json!({ "rules": [rule] });
    for (settings, at, what) in [
        (json!({ "maxUrlLength": 0 }), "/maxUrlLength", "at least 1"),
        (json!({ "maxHeaders": 0 }), "/maxHeaders", "at least 1"),
        (json!({ "maxHeaderSize": 0 }), "/maxHeaderSize", "at least 1"),
        (json!({ "maxDepth": 0 }), "/maxDepth", "1 to 100"),
        (json!({ "maxDepth": 101 }), "/maxDepth", "1 to 100"),
        (json!({ "maxErrors": 0 }), "/maxErrors", "1 to 100"),
        (json!({ "bodyTimeout": "0s" }), "/bodyTimeout", "4s"),
        (json!({ "maxBodySize": "10 apples" }), "", "10 apples"),
        (json!({ "rules": [{ "name": "a" }, { "name": "a" }] }), "/rules/1/name", "name of its own"),
        (rule(json!({ "methods": ["post"] })), "/rules/0/methods/0", "capitals"),
        (rule(json!({ "paths": ["orders"] })), "/rules/0/paths/0", "no path pattern"),
        (rule(json!({ "paths": ["^(?=a)"] })), "/rules/0/paths/0", "linear"),
        (rule(json!({ "contentTypes": ["json"] })), "/rules/0/contentTypes/0", "application/json"),
        (rule(json!({ "requiredHeaders": ["a b"] })), "/rules/0/requiredHeaders/0", "X-Name"),
        (rule(json!({ "requiredQuery": ["a"], "allowedQuery": ["b"] })), "/rules/0/requiredQuery/0", "allowedQuery"),
        (rule(json!({ "bodySchema": { "type": "objekt" } })), "/rules/0/bodySchema/type", "no schema"),
        (rule(json!({ "bodySchema": { "pattern": "(?=a)" } })), "/rules/0/bodySchema", "linear"),
        (
            rule(json!({ "bodySchema": { "items": { "$ref": "https://example.com/a" } } })),
            "/rules/0/bodySchema/items/$ref",
            "outside",
        ),
        (rule(json!({ "bodySchema": { "$schema": "https://example.com/draft" } })), "/rules/0/bodySchema", "no schema"),
        (rule(json!({ "bodySchema": {}, "maxBodySize": "17mb" })), "/rules/0/maxBodySize", "16mb"),
        (rule(json!({ "querySchema": { "minimum": "x" } })), "/rules/0/querySchema/minimum", "no schema"),
        (rule(json!({ "bodySchema": [] })), "", "map"),
        (rule(json!({ "schema": {} })), "", "schema"),
    ] {
        let told = problems(&settings);
        let found = told.iter().any(|text| text.contains(at) && text.contains(what));
        assert!(found, "{settings} should be told at `{at}` with `{what}`: {told:?}");
    }
}

#[test]
fn what_is_fine_is_taken() {
    for settings in [
        json!({}),
        json!({ "rules": [] }),
        json!({ "maxQueryParameters": 0, "maxCookies": 0, "maxBodySize": 0 }),
        json!({ "rules": [{ "bodySchema": { "$schema": "http://json-schema.org/draft-07/schema#", "type": "object" } }] }),
        json!({ "rules": [{ "bodySchema": { "properties": { "n": { "type": "integer", "format": "int64" } } } }, {}] }),
    ] {
        assert_eq!(problems(&settings), Vec::<String>::new(), "{settings}");
    }
}
