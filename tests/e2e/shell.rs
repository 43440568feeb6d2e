//! A shell and its micro-frontends behind a runner.

use axum::{Router, body::Body, routing::any};
use buntime_testing::FakeUpstream;
use buntime_tests::{Answer, Gateway, client};
use http::Request;
use serde_json::json;

async fn answering(name: &'static str) -> FakeUpstream {
    let answer = any(move |request: Request<Body>| async move {
        let base = request.headers().get("x-base").map_or("none", |base| base.to_str().unwrap()).to_owned();
        ([("cache-control", "max-age=60")], format!("{name} {} base {base}", request.uri()))
    });
    FakeUpstream::start(Router::new().fallback(answer)).await
}

async fn ask(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = client::request("GET", path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    client::send(gateway.addr(), request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_shell_gets_what_is_navigated_to_and_frames_what_is_there() {
    let (shell, orders) = (answering("shell").await, answering("orders").await);
    let gateway = Gateway::start(json!({
        "plugins": [["@buntime/plugin-gateway", {
            "shellTarget": shell.url(), "shellExcludes": ["legacy"], "cache": {},
            "rateLimit": { "requests": 1000, "window": "1h" },
        }]],
        "services": [{
            "name": "orders", "upstream": { "targets": [{ "url": orders.url() }] },
            "routes": [{ "name": "all", "paths": ["/orders", "/legacy"] }],
        }],
    }))
    .await;
    let page = ("sec-fetch-dest", "document");
    // Twice, so that the second could come from the cache.
    for _ in 0..2 {
        for (path, fields, expect) in [
            ("/orders/7?a=b", &[page][..], "shell /orders/7?a=b base /"),
            ("/nobody/has/this", &[page], "shell /nobody/has/this base /"),
            ("/main.js", &[("sec-fetch-dest", "script")], "shell /main.js base /"),
            ("/orders/7?a=b", &[("sec-fetch-dest", "iframe")], "orders /orders/7?a=b base none"),
            ("/orders/7?a=b", &[("sec-fetch-dest", "empty")], "orders /orders/7?a=b base none"),
            ("/orders", &[("accept", "application/json")], "orders /orders base none"),
            ("/orders", &[("accept", "text/html,*/*;q=0.8")], "shell /orders base /"),
            ("/legacy/x", &[page], "orders /legacy/x base none"),
            ("/orders/x", &[page, ("cookie", "GATEWAY_SHELL_EXCLUDES=orders")], "orders /orders/x base none"),
            // What a client says of the base is its own affair, and the shell's is not.
            ("/orders/7", &[page, ("x-base", "/evil")], "shell /orders/7 base /"),
        ] {
            let answer = ask(&gateway, path, fields).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, expect), "{path} {fields:?}");
            assert!(answer.header("vary").contains("Sec-Fetch-Dest"), "{path} {fields:?}");
        }
    }
    for path in ["/livez", "/api/plugins", "/.well-known/buntime", "/p/gateway/"] {
        assert!(!ask(&gateway, path, &[page]).await.text().starts_with("shell"), "{path}");
    }
    gateway.stop().await;
}
