//! What an upstream is asked, and what the client is told.

use axum::{Router, body::Body, http::header, response::IntoResponse, routing::any};
use buntime_testing::{FakeUpstream, RawUpstream};
use http::{Response, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{echo, get, proxy_to, raw, read_to_end, read_until, request, send, whole};

#[tokio::test]
async fn paths_are_rewritten_and_queries_kept() {
    let upstream = FakeUpstream::start(echo()).await;
    let rule = json!({ "pattern": "^/legacy/(.*)$", "rewrite": "/$1" });
    let proxy = proxy_to(&format!("{}/v1", upstream.url()), rule).await;
    let (status, _, body) = get(proxy.address(), "/legacy/a%20b/c?x=%2F&y").await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.starts_with("GET /v1/a%20b/c?x=%2F&y HTTP/1.1\n"), "{body}");
    assert_eq!(get(proxy.address(), "/other").await.0, StatusCode::NOT_FOUND);
    proxy.stop().await;
}

#[tokio::test]
async fn what_a_proxy_owes_is_said_and_nothing_that_concerns_one_connection() {
    let upstream = FakeUpstream::start(echo()).await;
    let proxy = proxy_to(&upstream.url(), json!({ "headers": { "X-From": "gateway", "x-over": "rule" } })).await;
    let request = request("POST", "/x")
        .header("connection", "close, x-mine")
        .header("x-mine", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-authorization", "Basic x")
        .header("te", "gzip, trailers")
        .header("upgrade", "h2c")
        .header("x-over", "client")
        .header("x-two", "a")
        .header("x-two", "b")
        .header("origin", "http://client.example")
        .body(Body::from("hello"))
        .unwrap();
    let (_, headers, body) = whole(send(proxy.address(), request).await).await;
    for line in [
        "host: client.example",
        "origin: http://client.example",
        "content-length: 5",
        "te: trailers",
        "via: 1.1 buntime",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: client.example",
        "x-forwarded-port: 80",
        "x-forwarded-proto: http",
        "x-from: gateway",
        "x-over: rule",
        "x-request-id: test",
        "x-two: a\nx-two: b",
        "body: hello",
    ] {
        assert!(body.contains(line), "{line} is missing in\n{body}");
    }
    for line in ["x-mine", "keep-alive", "proxy-authorization", "upgrade", "connection", "over: client"] {
        assert!(!body.contains(line), "{line} is there in\n{body}");
    }
    assert_eq!(headers["via"], "1.1 buntime");
    proxy.stop().await;
}

#[tokio::test]
async fn the_origin_is_changed_where_the_rule_says_so() {
    let upstream = FakeUpstream::start(echo()).await;
    let proxy = proxy_to(&upstream.url(), json!({ "changeOrigin": true })).await;
    let asked = request("GET", "/").header("origin", "http://client.example").body(Body::empty()).unwrap();
    let (_, _, body) = whole(send(proxy.address(), asked).await).await;
    assert!(body.contains(&format!("\nhost: {}\n", upstream.address())), "{body}");
    assert!(body.contains(&format!("\norigin: {}\n", upstream.url())), "{body}");
    assert!(body.contains("\nx-forwarded-host: client.example\n"), "{body}");
    let (_, _, body) = get(proxy.address(), "/").await;
    assert!(!body.contains("\norigin:"), "an Origin was made up: {body}");
    proxy.stop().await;
}

#[tokio::test]
async fn answers_without_a_body_keep_what_they_say_of_one() {
    let app = Router::new()
        .route("/head", any(|| async { ([(header::CONTENT_LENGTH, "12345")], Body::empty()) }))
        .route("/204", any(|| async { StatusCode::NO_CONTENT }))
        .route("/304", any(|| async { (StatusCode::NOT_MODIFIED, [(header::ETAG, "\"x\"")]) }));
    let upstream = FakeUpstream::start(app).await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let head = request("HEAD", "/head").body(Body::empty()).unwrap();
    let (status, headers, body) = whole(send(proxy.address(), head).await).await;
    assert_eq!((status, &headers["content-length"], body.as_str()), (StatusCode::OK, &"12345".parse().unwrap(), ""));
    let (status, headers, _) = get(proxy.address(), "/204").await;
    assert_eq!((status, headers.get("content-length")), (StatusCode::NO_CONTENT, None));
    let (status, headers, _) = get(proxy.address(), "/304").await;
    assert_eq!((status, &headers["etag"]), (StatusCode::NOT_MODIFIED, &"\"x\"".parse().unwrap()));
    proxy.stop().await;
}

#[tokio::test]
async fn lengths_pass_both_ways() {
    let app = Router::new().fallback(any(|request: axum::extract::Request| async move {
        let length = request.headers().get("content-length").cloned();
        let chunked = request.headers().contains_key("transfer-encoding");
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let mut response = Response::new(Body::from(vec![b'x'; body.len()]));
        response.headers_mut().insert("x-chunked", chunked.to_string().parse().unwrap());
        response.headers_mut().insert("x-length", length.unwrap_or("none".parse().unwrap()));
        response
    }));
    let upstream = FakeUpstream::start(app).await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let sized = request("PUT", "/").body(Body::from(vec![b'y'; 3000])).unwrap();
    let (_, headers, body) = whole(send(proxy.address(), sized).await).await;
    let sizes = (body.len(), headers["content-length"].to_str().unwrap(), headers["x-length"].to_str().unwrap());
    assert_eq!(sizes, (3000, "3000", "3000"));
    let unsized_ = Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("ab"), Ok("cd")]));
    let chunked = request("PUT", "/").body(unsized_).unwrap();
    let (_, headers, body) = whole(send(proxy.address(), chunked).await).await;
    assert_eq!((body.as_str(), &headers["x-chunked"]), ("xxxx", &"true".parse().unwrap()));
    let empty = request("POST", "/").header("content-length", "0").body(Body::empty()).unwrap();
    let (_, headers, _) = whole(send(proxy.address(), empty).await).await;
    assert_eq!(headers["x-length"], "0");
    proxy.stop().await;
}

#[tokio::test]
async fn an_old_upstream_does_not_make_the_clients_connection_old() {
    let upstream = RawUpstream::answering(b"HTTP/1.0 200 Fine\r\ncontent-length: 2\r\n\r\nok").await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let mut client = raw(proxy.address(), "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let first = read_until(&mut client, "\r\n\r\nok").await;
    assert!(first.starts_with("HTTP/1.1 200 Fine\r\n"), "{first}");
    assert!(first.contains("via: 1.0 buntime"), "{first}");
    client.write_all(b"GET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut client).await.starts_with("HTTP/1.1 200"));
    proxy.stop().await;
}

#[tokio::test]
async fn a_body_that_is_expected_is_sent_when_the_upstream_asks() {
    let upstream = RawUpstream::start(|mut stream, head| async move {
        assert!(head.to_ascii_lowercase().contains("expect: 100-continue"), "{head}");
        if head.starts_with("PUT /refused") {
            let _ = stream.write_all(b"HTTP/1.1 417 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            return;
        }
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        let mut body = [0; 5];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"hello");
        stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let head =
        |path: &str| format!("PUT {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    let mut client = raw(proxy.address(), &head("/wanted")).await;
    assert_eq!(read_until(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hello").await.unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 201 Created\r\n"));
    let mut client = raw(proxy.address(), &head("/refused")).await;
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 417 No\r\n"), "the client was asked for a body nobody wants: {answer}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_body_over_the_edges_limit_is_refused() {
    let upstream = FakeUpstream::start(echo()).await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let too_big = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0u8; 1 << 20]));
    let asked = request("POST", "/").body(Body::from_stream(futures_util::StreamExt::take(too_big, 12))).unwrap();
    let (status, _, body) = whole(send(proxy.address(), asked).await).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{body}");
    assert!(body.contains("payload_too_large"));
    proxy.stop().await;
}

#[tokio::test]
async fn informational_answers_come_before_the_real_one() {
    let answer = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let upstream = RawUpstream::answering(answer).await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let (status, _, body) = get(proxy.address(), "/").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ok"));
    proxy.stop().await;
}

#[tokio::test]
async fn the_upstreams_refusals_pass_as_they_are() {
    let app = Router::new().fallback(any(|| async {
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7"), ("x-why", "busy")], "come back").into_response()
    }));
    let upstream = FakeUpstream::start(app).await;
    let proxy = proxy_to(&upstream.url(), json!({})).await;
    let (status, headers, body) = get(proxy.address(), "/").await;
    assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "come back"));
    assert_eq!((&headers["retry-after"], &headers["x-why"]), (&"7".parse().unwrap(), &"busy".parse().unwrap()));
    proxy.stop().await;
}
