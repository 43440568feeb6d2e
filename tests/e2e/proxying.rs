//! One rule, a real service behind it, and everything there is to see of a request.

use std::time::Duration;

use buntime_testing::{FakeUpstream, RawUpstream, eventually};
use buntime_tests::{Gateway, Nginx, client, echo, hello, proxying, rule, sample, soon, websocket, websocket_echo};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

#[tokio::test]
async fn a_service_that_was_not_written_here() {
    let large = "0123456789abcdef".repeat(64 << 10);
    let Some(nginx) = Nginx::start(&[("index.html", "from nginx"), ("large.txt", &large)]).await else { return };
    let gateway = Gateway::start(proxying(&[rule("web", &nginx.url())])).await;
    let answer = gateway.get("/web/").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "from nginx"));
    assert!(answer.header("etag").starts_with('"'), "the service's own fields pass");
    assert_eq!(gateway.get("/web/large.txt").await.text(), large);
    assert_eq!(gateway.get("/web/none").await.status, 404);
    let request = client::request("GET", "/web/large.txt").header("range", "bytes=16-31");
    let part = client::send(gateway.addr(), request.body("".into()).unwrap()).await;
    assert_eq!((part.status, part.text().as_str()), (206, "0123456789abcdef"));
    let request = client::request("GET", "/web/headers").header("x-request-id", "mine-1");
    let seen = client::send(gateway.addr(), request.body("".into()).unwrap()).await;
    assert_eq!(seen.text(), "127.0.0.1|mine-1|localhost");
    let request = client::request("HEAD", "/web/large.txt").body("".into()).unwrap();
    let head = client::send(gateway.addr(), request).await;
    assert_eq!((head.status, head.header("content-length")), (200, large.len().to_string().as_str()));
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_shows_in_metrics_logs_and_health() {
    let upstream = FakeUpstream::start(hello()).await;
    let gateway = Gateway::start(proxying(&[rule("shop", &upstream.url())])).await;
    let request = client::request("GET", "/shop/cart?secret=1").header("x-request-id", "seen-everywhere");
    let answer = client::send(gateway.addr(), request.body("".into()).unwrap()).await;
    assert_eq!((answer.text().as_str(), answer.header("x-request-id")), ("hello", "seen-everywhere"));
    eventually("it is counted", || async {
        sample(&gateway.metrics().await, "buntime_http_requests_total", &[r#"route="proxy:shop""#]) == 1.0
    })
    .await;
    let metrics = gateway.metrics().await;
    assert!(!metrics.contains("/shop/cart"), "paths are no labels");
    let bytes = sample(&metrics, "buntime_http_response_bytes_total", &[r#"route="proxy:shop""#]);
    assert!(bytes >= 5.0, "{bytes}");
    eventually("it is in the log", || async {
        let found = gateway.json("/p/logs/api/logs?requestId=seen-everywhere").await;
        found["logs"].as_array().is_some_and(|logs| logs.len() == 1)
    })
    .await;
    let found = gateway.get("/p/logs/api/logs?requestId=seen-everywhere").await.text();
    assert!(found.contains("proxy:shop") && found.contains("/shop/cart"), "{found}");
    assert!(!found.contains("secret=1"), "queries are not kept by default");
    eventually("the upstream is among the checks", || async {
        let report = gateway.json("/p/health/api/health").await;
        let checks = report["checks"].as_array().cloned().unwrap_or_default();
        checks.iter().any(|check| check["name"] == "upstream:shop" && check["status"] == "healthy")
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn an_upstream_that_is_down_shows() {
    let upstream =
        RawUpstream::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await;
    let gateway = Gateway::start(proxying(&[rule("down", &upstream.url())])).await;
    assert_eq!(gateway.get("/down/").await.status, 200);
    drop(upstream);
    eventually("nobody listens", || async { gateway.get("/down/").await.status == 502 }).await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/down/").await.problem(), "upstream_unreachable");
    }
    eventually("it is unhealthy", || async {
        let report = gateway.json("/p/health/api/health").await;
        let checks = report["checks"].as_array().cloned().unwrap_or_default();
        checks.iter().any(|check| check["name"] == "upstream:down" && check["status"] != "healthy")
    })
    .await;
    // An upstream that is down is no reason to take the gateway away from all the others.
    assert_eq!(gateway.get("/readyz").await.status, 200);
    assert_eq!(gateway.get("/p/health/api/ready").await.status, 200);
    let failed = gateway.get("/p/logs/api/logs?status=5xx").await.text();
    assert!(failed.contains("proxy:down"), "{failed}");
    gateway.stop().await;
}

#[tokio::test]
async fn websockets_pass() {
    let upstream = websocket_echo().await;
    let gateway = Gateway::start(proxying(&[rule("live", &upstream.url())])).await;
    let mut socket = websocket(gateway.addr(), "/live/room?id=1").await;
    for size in [0, 1, 125, 126, 65_536, 1 << 20] {
        let message = Message::Binary(vec![7; size].into());
        soon("a message is taken", socket.send(message.clone())).await.unwrap();
        assert_eq!(soon("its echo", socket.next()).await.unwrap().unwrap(), message, "{size} bytes");
    }
    let open = gateway.running().stats().open();
    assert!(open >= 1, "{open}");
    soon("a close", socket.close(None)).await.unwrap();
    let last = soon("the close of the other side", socket.next()).await;
    assert!(!matches!(last, Some(Ok(Message::Text(_) | Message::Binary(_)))), "{last:?}");
    drop(socket);
    eventually("nothing stays open", || async { gateway.running().stats().open() == 0 }).await;
    eventually("it is counted", || async {
        sample(&gateway.metrics().await, "buntime_http_requests_total", &[r#"route="proxy:live""#]) == 1.0
    })
    .await;
    // Switched off, the rule is no match for a handshake.
    let mut off = rule("live", &upstream.url());
    off["ws"] = json!(false);
    gateway.replace(&proxying(&[off]));
    eventually("the rule is no match any more", || async {
        let request =
            client::request("GET", "/live/room").header("connection", "upgrade").header("upgrade", "websocket");
        let request =
            request.header("sec-websocket-version", "13").header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
        client::open(gateway.addr(), request.body("".into()).unwrap()).await.status() == 404
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_stop_says_goodbye_to_websockets() {
    let upstream = websocket_echo().await;
    let mut config = proxying(&[rule("live", &upstream.url())]);
    config["server"] = json!({ "shutdownGrace": "5s" });
    let gateway = Gateway::start(config).await;
    let mut socket = websocket(gateway.addr(), "/live").await;
    socket.send(Message::text("here")).await.unwrap();
    assert_eq!(soon("an echo", socket.next()).await.unwrap().unwrap(), Message::text("here"));
    let stopping = tokio::spawn(gateway.stop());
    match soon("the goodbye", socket.next()).await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
        other => panic!("{other:?}"),
    }
    drop(socket);
    drop(tokio::time::timeout(Duration::from_secs(10), stopping).await.expect("no wait for the whole grace"));
}

#[tokio::test]
async fn what_the_upstream_is_told() {
    let upstream = FakeUpstream::start(echo()).await;
    let mut changed = rule("changed", &upstream.url());
    changed["changeOrigin"] = json!(true);
    changed["headers"] = json!({ "x-from": "gateway" });
    let gateway = Gateway::start(proxying(&[rule("plain", &upstream.url()), changed])).await;
    let request = client::request("POST", "/plain/a%20b?c=%2F&d").header("connection", "x-hop").header("x-hop", "1");
    let told = client::send(gateway.addr(), request.body("the body".into()).unwrap()).await.text();
    assert!(told.starts_with("POST /a%20b?c=%2F&d\n"), "{told}");
    for line in ["host: localhost", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http", "body: the body"] {
        assert!(told.lines().any(|found| found == line), "{line} in {told}");
    }
    assert!(!told.contains("x-hop"), "{told}");
    let told = gateway.get("/changed/x").await.text();
    let host = format!("host: {}", upstream.address());
    for line in [host.as_str(), "x-from: gateway", "x-forwarded-host: localhost"] {
        assert!(told.lines().any(|found| found == line), "{line} in {told}");
    }
    gateway.stop().await;
}
