//! Settings that are wrong, and what is said of them.

use buntime_core::Plugin;
use plugin_transformer::TransformerPlugin;
use serde_json::{Value, json};

fn problems(settings: &Value) -> Vec<String> {
    TransformerPlugin.settings().check(settings).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
    let rule = |rule: Value| json!({ "rules": [rule] });
    let request = |part: Value| json!({ "rules": [{ "request": part }] });
    let response = |part: Value| json!({ "rules": [{ "response": part }] });
    let operation = |operation: Value| json!({ "rules": [{ "request": { "body": { "operations": [operation] } } }] });
    for (settings, at, what) in [
        (json!({ "maxBodySize": "17mb" }), "/maxBodySize", "16mb"),
        (json!({ "maxDepth": 0 }), "/maxDepth", "1 to 100"),
        (json!({ "bodyTimeout": "0s" }), "/bodyTimeout", "4s"),
        (
            json!({ "rules": [{ "name": "a", "request": {} }, { "name": "a", "request": {} }] }),
            "/rules/1/name",
            "name of its own",
        ),
        (rule(json!({})), "/rules/0", "changes nothing"),
        (rule(json!({ "when": { "methods": ["post"] }, "request": {} })), "/rules/0/when/methods/0", "capitals"),
        (rule(json!({ "when": { "paths": ["^(?=a)"] }, "request": {} })), "/rules/0/when/paths/0", "linear"),
        (
            rule(json!({ "when": { "contentTypes": ["json"] }, "request": {} })),
            "/rules/0/when/contentTypes/0",
            "application/json",
        ),
        (rule(json!({ "when": { "statuses": ["6xx"] }, "response": {} })), "/rules/0/when/statuses/0", "400-499"),
        (
            rule(json!({ "when": { "statuses": ["404"] }, "request": {} })),
            "/rules/0/when/statuses",
            "rule of their own",
        ),
        (
            request(json!({ "headers": { "set": { "x-a": "{{heder.x}}" } } })),
            "/rules/0/request/headers/set/x-a",
            "did you mean `header.x`",
        ),
        (
            request(json!({ "headers": { "set": { "x-a": "{{status}}" } } })),
            "/rules/0/request/headers/set/x-a",
            "no response yet",
        ),
        (request(json!({ "headers": { "set": { "a b": "1" } } })), "/rules/0/request/headers/set/a b", "no name"),
        (
            request(json!({ "headers": { "set": { "x-a": "a\r\nb" } } })),
            "/rules/0/request/headers/set/x-a",
            "value of a header",
        ),
        (
            request(json!({ "headers": { "remove": ["X-Consumer-Name"] } })),
            "/rules/0/request/headers/remove/0",
            "server alone",
        ),
        (
            request(json!({ "headers": { "set": { "x-identity": "a" } } })),
            "/rules/0/request/headers/set/x-identity",
            "server alone",
        ),
        (
            request(json!({ "headers": { "set": { "x_identity": "a" } } })),
            "/rules/0/request/headers/set/x_identity",
            "server alone",
        ),
        (
            request(json!({ "headers": { "set": { "x-forwarded-for": "a" } } })),
            "/rules/0/request/headers/set/x-forwarded-for",
            "from the connection",
        ),
        (
            request(json!({ "headers": { "set": { "connection": "close" } } })),
            "/rules/0/request/headers/set/connection",
            "belongs to the connection",
        ),
        (
            request(json!({ "headers": { "set": { "host": "a" } } })),
            "/rules/0/request/headers/set/host",
            "preserveHost",
        ),
        (
            request(json!({ "headers": { "rename": { "content-length": "x" } } })),
            "/rules/0/request/headers/rename/content-length",
            "from the body",
        ),
        (
            response(json!({ "headers": { "set": { "transfer-encoding": "chunked" } } })),
            "/rules/0/response/headers/set/transfer-encoding",
            "connection",
        ),
        (
            response(json!({ "headers": { "set": { "x-request-id": "1" } } })),
            "/rules/0/response/headers/set/x-request-id",
            "every message",
        ),
        (request(json!({ "query": { "set": { "a": "{{method" } } })), "/rules/0/request/query/set/a", "never closed"),
        (request(json!({ "path": { "to": "new" } })), "/rules/0/request/path/to", "begins with `/`"),
        (request(json!({ "path": { "to": "/a?b=1" } })), "/rules/0/request/path/to", "no query"),
        (request(json!({ "path": { "to": "/{{capture.1}}" } })), "/rules/0/request/path/to", "no pattern"),
        (
            request(json!({ "path": { "pattern": "^/(a)", "to": "/{{capture.2}}" } })),
            "/rules/0/request/path/to",
            "fewer groups",
        ),
        (request(json!({ "path": { "pattern": "(?=a)", "to": "/" } })), "/rules/0/request/path/pattern", "linear"),
        (response(json!({ "status": 304 })), "/rules/0/response/status", "may have a body"),
        (response(json!({ "status": 99 })), "/rules/0/response/status", "200 to 599"),
        (response(json!({ "body": { "root": "a" } })), "/rules/0/response/body/root", "only XML"),
        (response(json!({ "body": { "format": "xml", "root": "1a" } })), "/rules/0/response/body/root", "no name"),
        (
            response(json!({ "body": { "template": { "a": ["{{bdy/x}}"] } } })),
            "/rules/0/response/body/template/a/0",
            "did you mean `body",
        ),
        (operation(json!({ "op": "remove", "path": "a" })), "/operations/0/path", "no JSON Pointer"),
        (
            operation(json!({ "op": "set", "path": "/a", "value": "{{body/~}}" })),
            "/operations/0/value",
            "no JSON Pointer",
        ),
        (operation(json!({ "op": "copy", "from": "/a", "path": "/a/b" })), "/operations/0/path", "within `/a`"),
        (operation(json!({ "op": "move", "from": "", "path": "/a" })), "/operations/0/path", "within"),
        (operation(json!({ "op": "rename", "path": "", "to": "a" })), "/operations/0/path", "no name"),
        (operation(json!({ "op": "delete", "path": "/a" })), "", "remove"),
        (operation(json!({ "op": "remove", "path": "/a", "value": 1 })), "", "value"),
        (json!({ "rule": [] }), "", "rules"),
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
        json!({ "rules": [{ "response": { "headers": { "set": { "x-forwarded-for": "1", "content-type": "text/plain" } } } }] }),
        json!({ "rules": [{ "request": { "body": { "template": null } } }] }),
        json!({ "rules": [{ "request": { "path": { "to": "/${path.1}/{{header.x-a ?? 'a?b'}}" } } }] }),
    ] {
        assert_eq!(problems(&settings), Vec::<String>::new(), "{settings}");
    }
}
