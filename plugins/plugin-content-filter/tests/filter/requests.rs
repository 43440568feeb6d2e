//! Bodies on their way in.

use axum::body::Body;
use http::{Request, Response};
use serde_json::json;

use crate::common::{exchange, pieces, send, start, stats};

const CARD: &str = "{\"pan\":\"4111 1111 1111 1111\"}";

#[tokio::test]
async fn what_is_masked_reaches_the_upstream_with_its_new_length() {
    let host = start(json!({ "rules": [{ "name": "cards", "detect": ["credit_card"], "keepLast": 4 }] })).await;
    let masked = "{\"pan\":\"[MASKED_CC]1111\"}";
    let request = Request::builder().method("POST").uri("/").header("content-type", "application/json");
    let request =
        request.header("content-length", CARD.len()).header("content-md5", "x").body(Body::from(CARD)).unwrap();
    let (_, seen) = exchange(&host, request, |_| Response::new(Body::empty())).await;
    let seen = seen.unwrap();
    assert_eq!(seen.body.as_deref(), Some(masked.as_bytes()));
    assert_eq!((seen.header("content-length"), seen.header("content-md5")), (Some(&*masked.len().to_string()), None));

    for at in 0..CARD.len() {
        let (status, _, seen) =
            send(&host, "application/json", pieces(&[&CARD.as_bytes()[..at], &CARD.as_bytes()[at..]])).await;
        assert_eq!((status, seen.unwrap().body.as_deref()), (200, Some(masked.as_bytes())));
    }
    let clean = "{ \"pan\" : null }\r\n";
    let request = Request::builder().method("POST").uri("/").header("content-type", "application/json");
    let request =
        request.header("content-length", clean.len()).header("content-md5", "x").body(Body::from(clean)).unwrap();
    let (_, seen) = exchange(&host, request, |_| Response::new(Body::empty())).await;
    let seen = seen.unwrap();
    assert_eq!((seen.body.as_deref(), seen.header("content-md5")), (Some(clean.as_bytes()), Some("x")));
    let stats = stats(&host).await;
    let rule = &stats["scopes"][0]["rules"][0];
    let found = CARD.len() as u64 + 1;
    assert_eq!(
        (&rule["matches"], &rule["bodies"], &stats["inspected"]),
        (&json!(found), &json!(found), &json!(found + 1))
    );
}

#[tokio::test]
async fn what_is_blocked_never_reaches_the_upstream() {
    let host = start(json!({ "status": 422, "rules": [
        { "name": "words", "keywords": ["Project X"], "action": "block", "on": "request" },
    ] }))
    .await;
    let (status, code, seen) = send(&host, "text/plain", "about project x, not more").await;
    assert_eq!((status, code.as_str(), seen.is_some()), (422, "content_blocked", false));
    let (status, _, seen) = send(&host, "text/plain", pieces(&[b"about pro", b"ject", b" X"])).await;
    assert_eq!((status, seen.is_some()), (422, false));
    let (status, _, seen) = send(&host, "text/plain", pieces(&[b"about pro", b"gress"])).await;
    assert_eq!((status, seen.unwrap().body.as_deref()), (200, Some(&b"about progress"[..])));
    assert_eq!(stats(&host).await["blocked"], 2);
}

#[tokio::test]
async fn a_body_over_the_limit_is_cut_off_at_the_match() {
    let host = start(json!({ "maxRequestBody": "1kb", "rules": [
        { "keywords": ["project x"], "action": "block" }, { "detect": ["credit_card"] },
    ] }))
    .await;
    let long = format!("{} 4111111111111111 ", "a".repeat(2000));
    let (status, _, seen) = send(&host, "text/plain", long.clone()).await;
    let seen = seen.unwrap();
    assert_eq!((status, seen.header("content-length")), (200, None));
    assert!(seen.body.unwrap().ends_with(b"a [MASKED_CC] "));
    for body in [Body::from(format!("{long} project x")), pieces(&[long.as_bytes(), b" project", b" x"])] {
        let (status, code, seen) = send(&host, "text/plain", body).await;
        assert_eq!((status, code.as_str()), (400, "malformed_request"));
        assert_eq!(seen.unwrap().body, None, "the upstream must not take it for the whole");
    }
}

#[tokio::test]
async fn binary_and_packed_bodies() {
    let rules = json!([{ "detect": ["credit_card"], "on": "request" }]);
    let host = start(json!({ "rules": rules })).await;
    for kind in ["application/octet-stream", "image/png", "multipart/form-data; boundary=x", ""] {
        let (status, _, seen) = send(&host, kind, CARD).await;
        assert_eq!((status, seen.unwrap().body.as_deref()), (200, Some(CARD.as_bytes())), "{kind}");
    }
    let packed = || {
        let request = Request::builder().method("POST").uri("/").header("content-type", "text/plain");
        request.header("content-encoding", "gzip").body(Body::from(CARD)).unwrap()
    };
    let (response, seen) = exchange(&host, packed(), |_| Response::new(Body::empty())).await;
    assert_eq!((response.status().as_u16(), seen.is_some()), (415, false));
    let skipping = start(json!({ "rules": rules, "encoded": "skip" })).await;
    let (response, seen) = exchange(&skipping, packed(), |_| Response::new(Body::empty())).await;
    assert_eq!((response.status().as_u16(), seen.unwrap().body.as_deref()), (200, Some(CARD.as_bytes())));
    assert_eq!(stats(&skipping).await["skipped"], 1);
}

#[tokio::test]
async fn what_is_said_of_a_body_does_not_hide_it() {
    let host = start(json!({ "rules": [{ "detect": ["credit_card"], "action": "block" }] })).await;
    for (kinds, expected) in [
        (&["image/png", "application/json"][..], 403),
        (&["application/json", "image/png"], 403),
        (&["image/png, text/plain; charset=utf-8"], 403),
        (&["TEXT/plain;charset=latin1"], 403),
        (&["text/plain; charset=\"UTF-16LE\""], 415),
        (&["text/plain; a=b; Charset=utf-32"], 415),
        (&["image/png; charset=utf-16"], 200),
    ] {
        let request = Request::builder().method("POST").uri("/");
        let request = kinds.iter().fold(request, |request, kind| request.header("content-type", *kind));
        let (response, _) =
            exchange(&host, request.body(Body::from(CARD)).unwrap(), |_| Response::new(Body::empty())).await;
        assert_eq!(response.status().as_u16(), expected, "{kinds:?}");
    }
}

#[tokio::test]
async fn to_observe_is_to_count() {
    let host = start(json!({ "rules": [{ "name": "cards", "detect": ["credit_card"], "action": "observe" }] })).await;
    let (status, _, seen) = send(&host, "application/json", CARD).await;
    assert_eq!((status, seen.unwrap().body.as_deref()), (200, Some(CARD.as_bytes())));
    let stats = stats(&host).await;
    assert_eq!((&stats["scopes"][0]["rules"][0]["matches"], &stats["blocked"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_slow_body_streams_on() {
    let host =
        start(json!({ "bodyTimeout": "30ms", "rules": [{ "keywords": ["project x"], "action": "block" }] })).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(1);
    let stream =
        futures_util::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let sending = tokio::spawn(async move {
        sender.send(Ok("about ".into())).await.unwrap();
        // Until nobody waits for the whole any more.
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        sender.send(Ok("projects".into())).await.unwrap();
    });
    let (status, _, seen) = send(&host, "text/plain", Body::from_stream(stream)).await;
    sending.await.unwrap();
    assert_eq!((status, seen.unwrap().body.as_deref()), (200, Some(&b"about projects"[..])));
}
