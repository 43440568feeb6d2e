//! Who may administer, over every administrative path of a whole runner.

use buntime_tests::{Answer, Gateway, client, proxying, rule};
use http::Method;
use serde_json::{Value, json};

/// Reading paths that only an administrator may see.
const GUARDED: [&str; 10] = [
    "/api/plugins",
    "/api/plugins/metrics",
    "/api/config",
    "/api/config/schema",
    "/api/routes",
    "/api/openapi.json",
    "/p/proxy/api/rules",
    "/p/proxy/api/fragments",
    "/p/logs/api/logs",
    "/p/logs/api/stats",
];

/// Paths that anybody may see.
const OPEN: [&str; 8] = [
    "/",
    "/livez",
    "/readyz",
    "/.well-known/buntime",
    "/api/docs",
    "/p/metrics/api/prometheus",
    "/p/metrics/api/stats",
    "/p/health/api/health",
];

async fn ask(gateway: &Gateway, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = http::Request::builder().method(method).uri(path);
    if !fields.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    client::send(gateway.addr(), request.body("".into()).unwrap()).await
}

fn with_token() -> Value {
    let mut config = proxying(&[]);
    config["admin"] = json!({ "token": "a-long-token" });
    config
}

#[tokio::test]
async fn without_a_token_only_direct_connections_from_this_machine() {
    let gateway = Gateway::start(proxying(&[])).await;
    for path in GUARDED {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
        for lie in [
            // A page of another site whose name was made to point here.
            ("host", "rebound.example"),
            ("host", "rebound.example:8000"),
            ("host", "localhost.rebound.example"),
            ("host", "127.0.0.1.rebound.example"),
            // Something stands in between.
            ("x-forwarded-for", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("via", "1.1 somebody"),
        ] {
            let answer = ask(&gateway, "GET", path, &[lie]).await;
            assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{path} {lie:?}");
        }
    }
    for path in OPEN {
        assert_eq!(ask(&gateway, "GET", path, &[("host", "rebound.example")]).await.status, 200, "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn with_a_token_nothing_else_opens() {
    let gateway = Gateway::start(with_token()).await;
    for path in GUARDED {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
        for right in [("authorization", "Bearer a-long-token"), ("x-api-key", "a-long-token")] {
            let fields = [right, ("host", "gate.example"), ("x-forwarded-for", "1.2.3.4")];
            assert_eq!(ask(&gateway, "GET", path, &fields).await.status, 200, "{path} {right:?}");
        }
    }
    for path in OPEN {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
    }
    for wrong in [
        ("authorization", "Bearer a-long-toke"),
        ("authorization", "Basic YS1sb25nLXRva2Vu"),
        ("x-api-key", ""),
        ("cookie", "buntime_session=guess"),
    ] {
        assert_eq!(ask(&gateway, "GET", "/api/plugins", &[wrong]).await.status, 401, "{wrong:?}");
    }
    // A browser is shown where to enter it.
    let page = ask(&gateway, "GET", "/api/routes", &[("accept", "text/html")]).await;
    assert!(page.status == 401 && page.text().contains("<form"), "{}", page.text());
    gateway.stop().await;
}

#[tokio::test]
async fn a_session_changes_things_from_our_own_pages_only() {
    let gateway = Gateway::start(with_token()).await;
    let refused = gateway.send(Method::POST, "/api/session", &json!({ "token": "wrong" })).await;
    assert_eq!(refused.status, 401);
    let opened = gateway.send(Method::POST, "/api/session", &json!({ "token": "a-long-token" })).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    let set = opened.header("set-cookie");
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"), "{set}");
    let session = ("cookie", set.split(';').next().unwrap());
    for path in GUARDED {
        assert_eq!(ask(&gateway, "GET", path, &[session]).await.status, 200, "{path}");
    }
    let change = "/api/config/reload";
    for (fields, status) in [
        (&[session][..], 403),
        (&[session, ("origin", "http://localhost")], 200),
        (&[session, ("sec-fetch-site", "same-origin")], 200),
        (&[session, ("origin", "http://evil.example")], 403),
        (&[session, ("origin", "null")], 403),
        (&[session, ("sec-fetch-site", "cross-site")], 403),
        (&[("x-api-key", "a-long-token")], 200),
        (&[("x-api-key", "a-long-token"), ("origin", "http://evil.example")], 403),
        (&[("x-api-key", "a-long-token"), ("sec-fetch-site", "cross-site")], 403),
    ] {
        assert_eq!(ask(&gateway, "POST", change, fields).await.status, status, "{fields:?}");
        // Plugins' own APIs go by the same rule.
        let cleared = ask(&gateway, "POST", "/p/logs/api/logs/clear", fields).await.status;
        assert_eq!(cleared == 403, status == 403, "{fields:?}: {cleared}");
    }
    assert_eq!(ask(&gateway, "DELETE", "/api/session", &[session, ("origin", "http://localhost")]).await.status, 204);
    assert_eq!(ask(&gateway, "GET", "/api/plugins", &[session]).await.status, 401);
    gateway.stop().await;
}

#[tokio::test]
async fn services_do_not_see_the_session() {
    let upstream = buntime_testing::FakeUpstream::start(buntime_tests::echo()).await;
    let gateway = Gateway::start(proxying(&[rule("x", &upstream.url())])).await;
    let told = ask(&gateway, "GET", "/x/", &[("cookie", "a=1; buntime_session=secret; b=2")]).await.text();
    assert!(told.contains("a=1; b=2") && !told.contains("secret"), "{told}");
    // Another site's page may post to a service: that is the service's own affair.
    let posted = ask(&gateway, "POST", "/x/", &[("origin", "http://evil.example")]).await;
    assert_eq!(posted.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn data_of_plugins_can_be_closed() {
    let mut config = with_token();
    config["plugins"] = json!([["metrics", { "access": "admin" }], ["health", { "access": "admin" }]]);
    let gateway = Gateway::start(config).await;
    for path in ["/p/metrics/api/prometheus", "/p/metrics/api/stats", "/p/metrics/api/sse", "/p/health/api/health"] {
        assert_eq!(gateway.get(path).await.status, 401, "{path}");
    }
    let open = ask(&gateway, "GET", "/p/metrics/api/stats", &[("x-api-key", "a-long-token")]).await;
    assert_eq!(open.status, 200);
    gateway.stop().await;
}
