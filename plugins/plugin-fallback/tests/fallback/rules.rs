//! What is tried again, and what answers instead.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use buntime_core::{Error, ErrorKind, Host, Http, Meta, Retry, Stage, Step, handler_fn};
use buntime_testing::{Act, FakePlugin, Journal, eventually};
use http::{HeaderValue, Request};
use plugin_fallback::FallbackPlugin;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{Scripted, ask, gateway, nobody};

fn retry(attempts: u32) -> Value {
    json!({ "attempts": attempts, "backoff": "1ms", "maxBackoff": "5ms" })
}

#[tokio::test]
async fn what_is_idempotent_is_tried_again_and_nothing_else() {
    let main = Scripted::start(&["", "", "200 fine"]).await;
    let settings = json!({ "rules": [{ "retry": retry(2) }] });
    let runtime = gateway(&main.upstream.url(), &nobody().await, settings).start().await;
    let answer = ask(&runtime, "GET /a?b=c", &["x-mine: 1"], "").await;
    assert_eq!((answer.status, answer.body.as_str(), main.count()), (200, "fine", 3));
    runtime.stop().await;

    let main = Scripted::start(&[""]).await;
    let settings = json!({ "rules": [{ "retry": retry(3) }] });
    let runtime = gateway(&main.upstream.url(), &nobody().await, settings).start().await;
    assert_eq!(ask(&runtime, "POST /a", &[], "body").await.status, 502);
    assert_eq!(main.count(), 1, "it may have been done");
    let answer = ask(&runtime, "GET /a", &[], "").await;
    assert_eq!((answer.status, main.count()), (502, 5));
    let told = answer.json();
    assert_eq!(told["code"], "upstream_unreachable", "the first error, {told}");
    assert_eq!(told["attempts"].as_array().map(Vec::len), Some(3), "{told}");
    runtime.stop().await;
}

#[tokio::test]
async fn a_request_is_sent_again_whole_if_it_was_kept() {
    let main = Scripted::start(&["", "200 got {body} {head}"]).await;
    let settings = json!({ "rules": [{ "retry": retry(1) }], "maxBody": 10 });
    let runtime = gateway(&main.upstream.url(), &nobody().await, settings.clone()).start().await;
    let answer = ask(&runtime, "PUT /a?b=c", &["x-mine: 1"], "0123456789").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with("got 0123456789 PUT /a?b=c "), "{}", answer.body);
    assert!(answer.body.contains("x-mine: 1"), "{}", answer.body);
    runtime.stop().await;

    let main = Scripted::start(&["", "200 fine"]).await;
    let runtime = gateway(&main.upstream.url(), &nobody().await, settings).start().await;
    let answer = ask(&runtime, "PUT /a", &[], "0123456789x").await;
    assert_eq!((answer.status, main.count()), (502, 1), "longer than what is kept");
    runtime.stop().await;

    let main = Scripted::start(&[""]).await;
    let rule = json!({ "retry": retry(3), "service": "backup", "response": { "body": "later" } });
    let settings = json!({ "rules": [rule], "maxBody": 10 });
    let runtime = gateway(&main.upstream.url(), &main.upstream.url(), settings).start().await;
    let answer = ask(&runtime, "PUT /a", &[], "0123456789x").await;
    assert_eq!((answer.body.as_str(), main.count()), ("later", 1), "what needs nothing sent is left");
    runtime.stop().await;
}

#[tokio::test]
async fn another_service_answers_also_what_is_not_idempotent_if_nothing_was_sent() {
    let backup = Scripted::start(&["201 backup {body}"]).await;
    let settings = json!({ "rules": [{ "when": { "routes": ["service:main/*"] }, "service": "backup" }] });
    let runtime = gateway(&nobody().await, &backup.upstream.url(), settings.clone()).start().await;
    let answer = ask(&runtime, "POST /a", &[], "text").await;
    assert_eq!((answer.status, answer.body.as_str()), (201, "backup text"));
    runtime.stop().await;

    let main = Scripted::start(&[""]).await;
    let runtime = gateway(&main.upstream.url(), &backup.upstream.url(), settings).start().await;
    assert_eq!(ask(&runtime, "POST /a", &[], "text").await.status, 502);
    assert_eq!(ask(&runtime, "GET /a", &[], "").await.body, "backup ");
    assert_eq!(backup.count(), 2);
    runtime.stop().await;
}

#[tokio::test]
async fn answers_are_failures_only_where_a_rule_says_so() {
    for (answers, expected) in [(true, (200, "fine", 2)), (false, (503, "busy", 1))] {
        let main = Scripted::start(&["503 busy", "200 fine"]).await;
        let settings = json!({ "rules": [{ "when": { "status": [503], "answers": answers }, "retry": retry(1) }] });
        let runtime = gateway(&main.upstream.url(), &nobody().await, settings).start().await;
        let answer = ask(&runtime, "GET /a", &[], "").await;
        assert_eq!((answer.status, answer.body.as_str(), main.count()), expected);
        runtime.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_nothing_mends_is_given_as_it_was() {
    let main = Scripted::start(&["503 first", "500 second", "404 third"]).await;
    let backup = Scripted::start(&["502 backup"]).await;
    let rule = json!({ "when": { "status": ["5xx", 404], "answers": true }, "retry": retry(2), "service": "backup" });
    let runtime = gateway(&main.upstream.url(), &backup.upstream.url(), json!({ "rules": [rule] })).start().await;
    let answer = ask(&runtime, "GET /a", &[], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "first"));
    assert_eq!((answer.header("x-upstream"), main.count(), backup.count()), (Some("yes"), 3, 1));
    let answer = ask(&runtime, "POST /a", &[], "x").await;
    assert_eq!((answer.status, main.count(), backup.count()), (404, 4, 1), "it was done");
    runtime.stop().await;
}

#[tokio::test]
async fn what_a_plugin_refused_is_never_sent_past_it() {
    let (main, backup) = (Scripted::start(&["200 main"]).await, Scripted::start(&["200 backup"]).await);
    let rule = json!({ "when": { "status": ["4xx", "5xx"] }, "retry": retry(2), "service": "backup" });
    for kind in [ErrorKind::UpstreamUnavailable, ErrorKind::Unauthorized, ErrorKind::PluginFailed] {
        let refusing = FakePlugin::new("refusing", &Journal::default()).at(10).on(Stage::Pre, Act::Refuse(kind));
        let builder = gateway(&main.upstream.url(), &backup.upstream.url(), json!({ "rules": [rule.clone()] }));
        let runtime = builder.plugin(refusing, json!({})).start().await;
        assert_eq!(ask(&runtime, "GET /a", &[], "").await.status, kind.status().as_u16());
        assert_eq!((main.count(), backup.count()), (0, 0));
        runtime.stop().await;
    }
}

#[tokio::test]
async fn a_body_that_a_later_plugin_changed_is_sent_again_as_changed() {
    let main = Scripted::start(&["", "200 {body}"]).await;
    let change = Act::Do(Arc::new(|cx| {
        drop(cx.take_body());
        cx.set_body(Body::from("changed"));
        cx.request_mut().headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(7));
    }));
    let changing = FakePlugin::new("changing", &Journal::default()).at(10).on(Stage::Pre, change);
    let builder = gateway(&main.upstream.url(), &nobody().await, json!({ "rules": [{ "retry": retry(1) }] }));
    let runtime = builder.plugin(changing, json!({})).start().await;
    assert_eq!(ask(&runtime, "PUT /a", &[], "secret").await.body, "changed");
    runtime.stop().await;
}

#[tokio::test]
async fn a_fixed_response_is_the_last_resort() {
    let main = Scripted::start(&["", "", "404 none"]).await;
    let rules = json!([
        { "when": { "paths": ["/shop/**"] }, "retry": retry(1),
          "response": { "status": 203, "headers": { "x-fixed": "1" }, "body": { "items": [] } } },
        { "when": { "status": [404], "answers": true, "methods": ["GET", "HEAD"] }, "response": { "body": "nothing" } }
    ]);
    let runtime = gateway(&main.upstream.url(), &nobody().await, json!({ "rules": rules })).start().await;
    let answer = ask(&runtime, "GET /shop/x", &[], "").await;
    assert_eq!((answer.status, answer.body.as_str(), main.count()), (203, r#"{"items":[]}"#, 2));
    assert_eq!((answer.header("content-type"), answer.header("x-fixed")), (Some("application/json"), Some("1")));
    let answer = ask(&runtime, "GET /other", &[], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "nothing"));
    let head = ask(&runtime, "HEAD /other", &[], "").await;
    assert_eq!((head.status, head.body.as_str(), head.header("content-length")), (200, "", Some("7")));
    assert_eq!(ask(&runtime, "DELETE /other", &[], "").await.status, 404);
    runtime.stop().await;
}

#[tokio::test]
async fn nothing_is_tried_again_for_a_client_that_has_gone() {
    let main = Scripted::start(&[""]).await;
    let journal = Journal::default();
    let settings = json!({ "rules": [{ "retry": { "attempts": 5, "backoff": "60s", "maxBackoff": "60s" } }] });
    let watching = FakePlugin::new("watching", &journal).at(0);
    let runtime = gateway(&main.upstream.url(), &nobody().await, settings).plugin(watching, json!({})).start().await;
    let mut stream = TcpStream::connect(runtime.address()).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    eventually("the first attempt was made", || async { main.count() == 1 }).await;
    drop(stream);
    eventually("it is over", || async { journal.line().contains("complete(client_gone)") }).await;
    assert_eq!(main.count(), 1);
    runtime.stop().await;
}

/// The error that is left of an exchange with that much time.
async fn left(settings: Value, deadline: Option<Duration>, error: fn() -> Error) -> (u16, usize) {
    let host = Host::builder().plugin(FallbackPlugin, settings).start().await.unwrap();
    let called = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = called.clone();
    let handler = handler_fn::<Http, _>(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Step::failed(error())
    });
    let mut meta = Meta::new(HeaderValue::from_static("id"));
    meta.deadline = deadline.map(|limit| meta.started + limit);
    let request = Request::new(Body::empty());
    let response = host.live().chain().respond(meta, request, Arc::new(handler)).await;
    host.stop(Duration::from_secs(5)).await;
    (response.status().as_u16(), called.load(std::sync::atomic::Ordering::SeqCst))
}

#[tokio::test]
async fn the_deadline_and_what_the_error_says_are_heeded() {
    let unreachable = || Error::new(ErrorKind::UpstreamUnreachable).with_retry(Retry::Safe);
    let slow = json!({ "rules": [{ "retry": { "attempts": 3, "backoff": "30s", "maxBackoff": "30s" } }] });
    assert_eq!(left(slow, Some(Duration::from_secs(5)), unreachable).await, (502, 1), "no time for a pause");
    let quick = json!({ "rules": [{ "retry": retry(2) }] });
    assert_eq!(left(quick.clone(), Some(Duration::from_secs(60)), unreachable).await, (502, 3));
    let later = || Error::new(ErrorKind::UpstreamUnavailable).with_retry_after(30);
    assert_eq!(left(quick.clone(), None, later).await, (503, 1), "it asks to wait for longer than maxBackoff");
    let never = || Error::new(ErrorKind::UpstreamUnreachable).with_allow_fallbacks(false);
    assert_eq!(left(quick, None, never).await, (502, 1));
    let fixed = json!({ "rules": [{ "response": { "body": "x" } }] });
    assert_eq!(left(fixed.clone(), None, never).await, (502, 1), "it ends the exchange");
    assert_eq!(left(fixed, None, unreachable).await, (200, 1));
}
