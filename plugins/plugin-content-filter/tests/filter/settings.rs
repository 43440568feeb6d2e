//! Settings that are wrong, and what is said of them.

use buntime_core::Plugin;
use plugin_content_filter::ContentFilterPlugin;
use serde_json::{Value, json};

fn problems(settings: &Value) -> Vec<String> {
    ContentFilterPlugin.settings().check(settings).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
    let rule = |rule: Value| json!({ "rules": [rule] });
    for (settings, at, what) in [
        (json!({ "window": "8b" }), "/window", "16b to 64kb"),
        (json!({ "window": "1mb" }), "/window", "16b to 64kb"),
        (json!({ "maxRequestBody": "17mb" }), "/maxRequestBody", "16mb"),
        (json!({ "maxHeldResponse": "17mb" }), "/maxHeldResponse", "16mb"),
        (json!({ "status": 502 }), "/status", "400 to 499"),
        (json!({ "bodyTimeout": 0 }), "/bodyTimeout", "4s"),
        (json!({ "contentTypes": ["html"] }), "/contentTypes/0", "text/plain"),
        (json!({ "encoded": "decode" }), "", "decode"),
        (
            json!({ "rules": [{ "name": "a", "keywords": ["x"] }, { "name": "a", "keywords": ["y"] }] }),
            "/rules/1/name",
            "of its own",
        ),
        (rule(json!({})), "/rules/0", "one of `detect`, `keywords` and `patterns`"),
        (rule(json!({ "keywords": ["a"], "detect": ["email"] })), "/rules/0", "one of"),
        (rule(json!({ "detect": ["passport"] })), "", "passport"),
        (rule(json!({ "patterns": ["(?=a)"] })), "/rules/0/patterns/0", "linear"),
        (rule(json!({ "patterns": ["(a)\\1"] })), "/rules/0/patterns/0", "linear"),
        (rule(json!({ "patterns": ["("] })), "/rules/0/patterns/0", "no regular expression"),
        (rule(json!({ "patterns": ["a*"] })), "/rules/0/patterns/0", "where there is nothing"),
        (rule(json!({ "patterns": ["^"] })), "/rules/0/patterns/0", "where there is nothing"),
        (rule(json!({ "patterns": ["a{3000}"] })), "/rules/0/patterns/0", "the window is 2048"),
        (rule(json!({ "patterns": ["(.{1000}){1000}"] })), "/rules/0/patterns/0", "too big"),
        (rule(json!({ "keywords": ["ok", ""] })), "/rules/0/keywords/1", "1 byte"),
        (rule(json!({ "keywords": ["x".repeat(3000)] })), "/rules/0/keywords/0", "3000 bytes"),
        (rule(json!({ "patterns": ["a"], "ignoreCase": true })), "/rules/0/ignoreCase", "(?i)"),
        (rule(json!({ "keywords": ["a"], "maskWith": "\"" })), "/rules/0/maskWith", "within JSON"),
        (rule(json!({ "keywords": ["a"], "maskWith": "a\nb" })), "/rules/0/maskWith", "within JSON"),
        (rule(json!({ "keywords": ["a"], "keepLast": 9 })), "/rules/0/keepLast", "at most 8"),
        (rule(json!({ "keywords": ["a"], "keepLast": 2, "action": "block" })), "/rules/0/keepLast", "redact"),
        (rule(json!({ "keyword": ["a"] })), "", "keyword"),
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
        json!({ "rules": [], "window": "16b" }),
        json!({ "rules": [{ "patterns": ["(?i)\\bäpfel\\b", "(?m)^x.*$"], "maskWith": "", "keepLast": 0 }] }),
        json!({ "rules": [{ "keywords": ["a", "a", "A"], "on": "request", "action": "observe" }] }),
    ] {
        assert_eq!(problems(&settings), Vec::<String>::new(), "{settings}");
    }
}
