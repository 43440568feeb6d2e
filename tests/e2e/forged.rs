//! What nobody outside may say, and paths that try to be read in two ways.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use buntime_testing::FakeUpstream;
use buntime_tests::{Gateway, Raw, client, counted, echo, proxying, rule};
use serde_json::json;

#[tokio::test]
async fn forged_fields_never_arrive() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = Gateway::start(proxying(&[rule("x", &upstream.url())])).await;
    let mut request = client::request("GET", "/x/");
    for name in [
        "x-identity",
        "X-Consumer-Name",
        "x-consumer-groups",
        "x_identity",
        "x-buntime-internal",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-real-ip",
        "forwarded",
    ] {
        request = request.header(name, "forged");
    }
    let told = client::send(gateway.addr(), request.body("".into()).unwrap()).await.text();
    assert!(!told.contains("forged"), "{told}");
    assert!(told.contains("x-forwarded-for: 127.0.0.1\n"), "{told}");
    // Named in `Connection` they would be taken off after they were judged; what we add stays all the same.
    let request = client::request("GET", "/x/").header("connection", "close, x-forwarded-for, x-request-id");
    let told = client::send(gateway.addr(), request.body("".into()).unwrap()).await.text();
    assert!(told.contains("x-forwarded-for: 127.0.0.1\n") && told.contains("x-request-id: "), "{told}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let upstream = FakeUpstream::start(echo()).await;
    let mut config = proxying(&[rule("x", &upstream.url())]);
    config["server"] = json!({ "trustedProxies": ["127.0.0.0/8", "10.0.0.0/8"] });
    let gateway = Gateway::start(config).await;
    let request = client::request("GET", "/x/")
        .header("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.1.2.3")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "shop.example")
        .header("x-identity", "forged");
    let told = client::send(gateway.addr(), request.body("".into()).unwrap()).await.text();
    assert!(told.contains("x-forwarded-proto: https\n") && told.contains("x-forwarded-host: shop.example\n"), "{told}");
    assert!(told.contains("203.0.113.7") && !told.contains("forged"), "{told}");
    let logged = gateway.json("/p/logs/api/logs?search=203.0.113.7").await;
    assert!(logged["logs"].as_array().is_some_and(|logs| !logs.is_empty()), "the client is who the proxy says");
    // Who is told of by a proxy is not on this machine, whatever the list says.
    let request = client::request("GET", "/api/plugins").header("x-forwarded-for", "127.0.0.1");
    assert_eq!(client::send(gateway.addr(), request.body("".into()).unwrap()).await.status, 403);
    gateway.stop().await;
}

#[tokio::test]
async fn request_ids_are_taken_or_made() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = Gateway::start(proxying(&[rule("x", &upstream.url())])).await;
    for path in
        ["/x/", "/livez", "/readyz", "/api/plugins", "/nowhere", "/p/metrics/api/stats", "/", "/a%2Fb", "/p/none"]
    {
        for (sent, is_taken) in [("an-id.of_mine~1", true), ("", false), ("a b", false), (&"x".repeat(129), false)] {
            let request = client::request("GET", path).header("x-request-id", sent).body("".into()).unwrap();
            let answer = client::send(gateway.addr(), request).await;
            let given = answer.header("x-request-id");
            assert_eq!(given == sent, is_taken, "{path}: {sent:?} became {given:?}");
            assert!(!given.is_empty() && given.len() <= 128, "{path}: {given:?}");
            if path == "/x/" {
                assert!(answer.text().contains(&format!("x-request-id: {given}\n")), "{}", answer.text());
            }
            if answer.status >= 400 {
                answer.problem();
            }
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_around_a_rule() {
    let reached = Arc::new(AtomicUsize::new(0));
    let upstream = FakeUpstream::start(counted(Arc::clone(&reached))).await;
    let mut all = rule("all", &upstream.url());
    all["pattern"] = json!("^/(.*)$");
    all["rewrite"] = json!("/$1");
    let mut config = proxying(&[all]);
    config["admin"] = json!({ "token": "t0ken" });
    let gateway = Gateway::start(config).await;
    // All of these are `/api/plugins`, or nothing: never open, and never somebody else's.
    for path in [
        "/api/plugins",
        "/api//plugins",
        "//api/plugins",
        "/./api/plugins",
        "/x/../api/plugins",
        "/x/%2e%2e/api/plugins",
        "/x/%2E./api/plugins",
        "/p/../api/plugins",
        "/p/metrics/../../api/plugins",
        "/%61pi/plugins",
        "/api/./plugins",
        "/x%2f..%2fapi/plugins",
        "/x/..%2fapi/plugins",
        "/x\\..\\api/plugins",
        "/x/%5c../api/plugins",
        "/..;/api/plugins",
        "/../api/plugins",
        "/%2e%2e/api/plugins",
        "/api%00/plugins",
        "/api%2fplugins",
        "/livez/../api/plugins",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let before = reached.load(Ordering::SeqCst);
        let answer = Raw::talk(gateway.addr(), request).await;
        let status = answer.get(9..12).unwrap_or_default();
        let went_upstream = reached.load(Ordering::SeqCst) != before;
        // `..;` is a name like any other here; it must not be taken for a way up.
        assert_eq!(went_upstream, path.starts_with("/..;"), "{path}: {answer}");
        assert!(went_upstream || matches!(status, "400" | "401" | "404"), "{path}: {answer}");
        assert!(!answer.contains("plugin-metrics"), "{path}: {answer}");
    }
    // Absolute targets and other cases of letters.
    let absolute = "GET http://localhost/api/plugins HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(Raw::talk(gateway.addr(), absolute).await.starts_with("HTTP/1.1 401"));
    let upper = gateway.get("/API/plugins").await;
    assert_eq!(upper.text(), "counted", "paths are case-sensitive: /API is somebody else's");
    gateway.stop().await;
}

#[tokio::test]
async fn the_path_that_is_judged_is_the_path_that_is_forwarded() {
    let upstream = FakeUpstream::start(echo()).await;
    let mut all = rule("x", &upstream.url());
    all["pattern"] = json!("^/x/");
    all.as_object_mut().unwrap().remove("rewrite");
    let gateway = Gateway::start(proxying(&[all])).await;
    for (asked, forwarded) in [
        ("/x/a/../b", "/x/b"),
        ("/x//a", "/x/a"),
        ("/x/%61", "/x/a"),
        ("/y/../x/a?q=../%2F", "/x/a?q=../%2F"),
        ("/x/a%20b%3f", "/x/a%20b%3F"),
    ] {
        let request = format!("GET {asked} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = Raw::talk(gateway.addr(), request).await;
        assert!(answer.contains(&format!("GET {forwarded}\n")), "{asked}: {answer}");
    }
    gateway.stop().await;
}
