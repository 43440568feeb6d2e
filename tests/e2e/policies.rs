//! The small policy plugins in the real runner: who may call, what a request must be, what must not pass.

use axum::body::Body;
use buntime_testing::FakeUpstream;
use buntime_tests::{Answer, Gateway, client, echo, sample};
use serde_json::{Value, json};

fn config(upstream: &str) -> Value {
    json!({
        "server": { "trustedProxies": ["127.0.0.0/8"] },
        "plugins": ["metrics", ["ip-restriction", { "deny": ["203.0.113.0/24"] }]],
        "services": [{
            "name": "orders", "upstream": { "targets": [{ "url": upstream }] },
            "plugins": [
                ["request-validator", { "maxUrlLength": 200, "rules": [{
                    "methods": ["POST"], "requiredHeaders": ["x-tenant"],
                    "bodySchema": { "type": "object", "required": ["item"], "properties": { "count": { "type": "integer" } } },
                }] }],
                ["content-filter", { "rules": [
                    { "name": "cards", "detect": ["credit_card"], "on": "request", "keepLast": 4 },
                    { "name": "people", "detect": ["email"], "on": "response" },
                    { "name": "words", "keywords": ["project x"], "action": "block" },
                ] }],
            ],
            "routes": [
                { "name": "all", "paths": ["/orders"] },
                { "name": "inner", "paths": ["/inner"], "plugins": [["ip-restriction", { "allow": ["10.0.0.0/8", "2001:db8::/32"] }]] },
            ],
        }],
    })
}

async fn get(gateway: &Gateway, path: &str, from: &str) -> Answer {
    let request = client::request("GET", path).header("x-forwarded-for", from).body(Body::empty()).unwrap();
    client::send(gateway.addr(), request).await
}

async fn post(gateway: &Gateway, body: &str) -> Answer {
    let request = client::request("POST", "/orders").header("content-type", "application/json").header("x-tenant", "t");
    client::send(gateway.addr(), request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn addresses_are_judged_as_the_edge_resolved_them_and_by_scope() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = Gateway::start(config(&upstream.url())).await;
    for (path, from, status) in [
        ("/orders", "192.0.2.1", 200),
        ("/orders", "203.0.113.9", 403),
        // What stands before the address that the trusted proxy saw is only what the client says.
        ("/orders", "192.0.2.1, 203.0.113.9", 403),
        ("/inner", "10.1.1.1", 200),
        ("/inner", "::ffff:10.1.1.1", 200),
        ("/inner", "2001:db8::7", 200),
        ("/inner", "192.0.2.1", 403),
        ("/inner", "203.0.113.9", 403),
    ] {
        let answer = get(&gateway, path, from).await;
        assert_eq!(answer.status, status, "{path} from {from}: {}", answer.text());
        if status == 403 {
            assert_eq!(answer.problem(), "ip_denied");
        }
    }
    let said = gateway.json("/p/ip-restriction/api/check?ip=192.0.2.1").await;
    let verdicts: Vec<&Value> = said["scopes"].as_array().unwrap().iter().map(|scope| &scope["verdict"]).collect();
    assert_eq!(verdicts, ["allowed", "not_allowed"], "{said:#}");
    let refused = sample(
        &gateway.metrics().await,
        "buntime_plugin_hook_total",
        &["plugin=\"ip-restriction\"", "outcome=\"fail\""],
    );
    assert!(refused >= 2.0, "{refused}");
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_are_checked_and_then_masked() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = Gateway::start(config(&upstream.url())).await;
    let body = r#"{ "item": "tea", "pan": "4111 1111 1111 1111", "mail": "jane@example.com" }"#;
    let answer = post(&gateway, body).await;
    let masked = r#"{ "item": "tea", "pan": "[MASKED_CC]1111", "mail": "jane@example.com" }"#;
    let text = answer.text();
    assert!(text.contains(&format!("content-length: {}\n", masked.len())), "{text}");
    assert!(text.ends_with(&format!("body: {}", masked.replace("jane@example.com", "[MASKED_EMAIL]"))), "{text}");

    let clean = "{\"item\" : \"tea\", \"count\": 1.0}\r\n";
    assert!(post(&gateway, clean).await.text().ends_with(&format!("body: {clean}")));

    let wrong = post(&gateway, r#"{ "count": "4111 1111 1111 1111" }"#).await;
    assert_eq!((wrong.status, wrong.problem().as_str()), (400, "validation_failed"));
    let errors = &wrong.json()["errors"];
    assert_eq!(errors.as_array().map(Vec::len), Some(2), "{errors}");
    assert!(!errors.to_string().contains("4111"), "{errors}");

    let blocked = post(&gateway, r#"{ "item": "Project X" }"#).await;
    assert_eq!((blocked.status, blocked.problem().as_str()), (403, "content_blocked"));
    let echoed = get(&gateway, "/orders?q=project%20x", "192.0.2.1").await;
    assert_eq!(echoed.status, 200, "{}", echoed.text());
    let request = client::request("GET", "/orders").header("x-note", "project x").body(Body::empty()).unwrap();
    let withheld = client::send(gateway.addr(), request).await;
    assert_eq!((withheld.status, withheld.problem().as_str()), (502, "content_blocked"));

    let long = get(&gateway, &format!("/orders?{}", "a".repeat(200)), "192.0.2.1").await;
    assert_eq!((long.status, long.problem().as_str()), (414, "uri_too_long"));
    let stats = gateway.json("/p/content-filter/api/stats").await;
    assert_eq!(stats["blocked"], 2, "{stats:#}");
    gateway.stop().await;
}
