//! Bodies on their way out.

use axum::body::Body;
use http::{Request, Response, StatusCode, request};
use serde_json::json;

use crate::common::{ask, exchange, pieces, read, start, stats};

const TEXT: &str = "mail jane@example.com\n";

#[tokio::test]
async fn what_is_masked_has_no_length_and_a_weak_tag() {
    let host = start(json!({ "rules": [{ "detect": ["email"] }] })).await;
    for body in [Body::from(TEXT), pieces(&[b"mail jane@exa", b"mple.c", b"om\n"])] {
        let response = ask(&host, "text/plain", body).await;
        let headers = response.headers();
        assert_eq!(headers["etag"], "W/\"tag\"");
        assert!(!headers.contains_key("content-length") && !headers.contains_key("accept-ranges"));
        assert_eq!(read(response).await, "mail [MASKED_EMAIL]\n");
    }
    let empty = ask(&host, "text/plain", Body::empty()).await;
    assert_eq!(empty.headers()["etag"], "\"tag\"");
}

#[tokio::test]
async fn binary_bodies_are_never_touched() {
    let host = start(json!({ "rules": [{ "detect": ["email"] }, { "keywords": ["mail"], "action": "block" }] })).await;
    for kind in ["application/octet-stream", "image/svg", "video/mp4", "application/pdf"] {
        let answer = move |_: &request::Parts| {
            Response::builder()
                .header("content-type", kind)
                .header("content-length", TEXT.len())
                .header("etag", "\"t\"")
                .body(Body::from(TEXT))
                .unwrap()
        };
        let (response, _) = exchange(&host, Request::new(Body::empty()), answer).await;
        assert_eq!(
            (&response.headers()["etag"], &response.headers()["content-length"]),
            (&"\"t\"".parse().unwrap(), &TEXT.len().into())
        );
        assert_eq!(read(response).await, TEXT, "{kind}");
    }
}

#[tokio::test]
async fn what_is_blocked_is_an_error_or_is_cut_off() {
    let host = start(json!({ "maxHeldResponse": "1kb", "rules": [{ "keywords": ["jane"], "action": "block" }] })).await;
    let blocked = ask(&host, "text/plain", Body::from(TEXT)).await;
    assert_eq!(blocked.status(), 502);
    let problem = read(blocked).await;
    assert!(
        problem.windows(15).any(|part| part == b"content_blocked") && !problem.windows(4).any(|part| part == b"jane")
    );
    let fine = ask(&host, "text/plain", Body::from("mail john\n")).await;
    assert_eq!((fine.status(), read(fine).await), (StatusCode::OK, "mail john\n".into()));

    let long = format!("{}\n{TEXT}and more", "a".repeat(2000));
    for body in [
        Body::from(long.clone()),
        pieces(&[long.as_bytes(), b"more"]),
        pieces(&[&long.as_bytes()[..2010], &long.as_bytes()[2010..]]),
    ] {
        let response = ask(&host, "text/plain", body).await;
        assert_eq!(response.status(), 200);
        let broke = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        assert!(broke.is_err(), "{broke:?}");
    }
    assert_eq!(stats(&host).await["blocked"], 4);
}

#[tokio::test]
async fn the_upstream_is_asked_for_what_can_be_read() {
    let asked = |settings| async {
        let host = start(settings).await;
        let request = Request::builder().uri("/").header("accept-encoding", "gzip, br").header("range", "bytes=0-7");
        let request = request.header("if-range", "\"x\"").body(Body::empty()).unwrap();
        let (_, seen) = exchange(&host, request, |_| Response::new(Body::empty())).await;
        seen.unwrap()
    };
    let whole = asked(json!({ "rules": [{ "detect": ["email"] }] })).await;
    assert_eq!(
        (whole.header("accept-encoding"), whole.header("range"), whole.header("if-range")),
        (Some("identity"), None, None)
    );
    let part = asked(json!({ "ranges": "refuse", "rules": [{ "detect": ["email"] }] })).await;
    assert_eq!((part.header("accept-encoding"), part.header("range")), (Some("identity"), Some("bytes=0-7")));
    let requests = asked(json!({ "rules": [{ "detect": ["email"], "on": "request" }] })).await;
    assert_eq!((requests.header("accept-encoding"), requests.header("range")), (Some("gzip, br"), Some("bytes=0-7")));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_passed_off_as_clean() {
    let answer = |status: u16, kind: &'static str, packed: bool| {
        move |_: &request::Parts| {
            let response = Response::builder().status(status).header("content-type", kind);
            let response = if packed { response.header("content-encoding", "br") } else { response };
            response.body(Body::from(TEXT)).unwrap()
        }
    };
    let rules = json!([{ "detect": ["email"] }]);
    for (settings, made, expected) in [
        (json!({ "rules": rules }), (200, "text/plain", true), 502),
        (json!({ "rules": rules, "encoded": "skip" }), (200, "text/plain", true), 200),
        (json!({ "rules": rules }), (200, "image/png", true), 200),
        (json!({ "rules": rules }), (206, "text/plain", false), 502),
        (json!({ "rules": rules, "ranges": "refuse" }), (206, "Multipart/byteranges; boundary=x", false), 502),
        (json!({ "rules": rules }), (206, "video/mp4", false), 206),
        (json!({ "rules": [{ "detect": ["email"], "action": "observe" }] }), (206, "text/plain", false), 206),
        (json!({ "rules": [{ "detect": ["email"], "action": "observe" }] }), (200, "text/plain", true), 200),
    ] {
        let host = start(settings.clone()).await;
        let (status, kind, packed) = made;
        let (response, _) = exchange(&host, Request::new(Body::empty()), answer(status, kind, packed)).await;
        assert_eq!(response.status().as_u16(), expected, "{settings} {made:?}");
        if expected < 300 {
            assert_eq!(read(response).await, TEXT);
        }
    }
}

#[tokio::test]
async fn heads_are_as_with_get() {
    let host = start(json!({ "rules": [{ "detect": ["email"] }] })).await;
    let request = Request::builder().method("HEAD").uri("/").body(Body::empty()).unwrap();
    let answer = |_: &request::Parts| {
        Response::builder()
            .header("content-type", "text/plain")
            .header("content-length", 22)
            .header("etag", "\"t\"")
            .body(Body::empty())
            .unwrap()
    };
    let (response, _) = exchange(&host, request, answer).await;
    assert_eq!(
        (response.headers().get("content-length"), &response.headers()["etag"]),
        (None, &"W/\"t\"".parse().unwrap())
    );
}

#[tokio::test]
async fn no_rules_do_nothing() {
    let host = start(json!({})).await;
    let response = ask(&host, "text/plain", Body::from(TEXT)).await;
    assert_eq!(response.headers()["etag"], "\"tag\"");
    assert_eq!(read(response).await, TEXT);
}
