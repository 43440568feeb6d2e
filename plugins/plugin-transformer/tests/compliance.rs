//! What every plugin must do.

use plugin_transformer::TransformerPlugin;
use serde_json::json;

#[test]
fn the_transformer_complies() {
    let settings = json!({
        "maxBodySize": "2mb", "maxDepth": 32, "bodyTimeout": "3s",
        "rules": [{
            "name": "orders",
            "when": { "methods": ["POST"], "paths": ["/orders/**"], "consumers": ["*"], "contentTypes": ["application/json"] },
            "request": {
                "headers": { "remove": ["x-old", "x-debug-*"], "rename": { "x-a": "x-b" }, "set": { "x-user": "{{identity.subject ?? none}}" },
                    "add": { "x-c": "1" }, "append": { "x-d": "${method}" } },
                "query": { "set": { "v": "2" } },
                "path": { "pattern": "^/orders/(?<id>[0-9]+)$", "to": "/v2/orders/{{capture.id}}" },
                "body": { "operations": [
                    { "op": "set", "path": "/by", "value": { "id": "{{consumer}}", "n": 1 } }, { "op": "remove", "path": "/debug" },
                    { "op": "move", "from": "/a", "path": "/b" }, { "op": "copy", "from": "/b", "path": "/c" },
                    { "op": "rename", "path": "/c", "to": "d" }, { "op": "cast", "path": "/d", "to": "text" } ] }
            },
            "response": { "status": 202, "headers": { "remove": ["server"] }, "body": { "template": { "data": "{{body}}" }, "format": "xml", "root": "answer" } },
            "onFailure": "fail", "onTooLarge": "continue", "onEncoded": "continue"
        }, { "name": "errors", "when": { "statuses": ["5xx"] }, "response": { "status": 502 } }]
    });
    buntime_testing::compliance(|| TransformerPlugin, settings);
}
