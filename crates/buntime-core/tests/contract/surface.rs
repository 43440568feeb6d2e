//! Reuse: a chain of plugins as a tower `Layer` on any axum `Router`; and what is measured of hooks.

use axum::{Router, routing::get as route};
use buntime_core::{Stage, stats::Outcome};
use buntime_testing::{Act, FakePlugin, Journal, TestRuntime};
use http::HeaderValue;
use serde_json::json;
use tower::ServiceExt;

use crate::{drive, fine, get, host, read};

#[tokio::test]
async fn a_chain_is_mounted_as_a_layer() {
    let journal = Journal::default();
    let host = host([FakePlugin::new("a", &journal)]).start().await.unwrap();
    journal.take();
    let app = Router::new().route("/", route(|| async { "mine" })).layer(host.layer());
    let response = app.clone().oneshot(get("/")).await.unwrap();
    assert_eq!(response.headers()["x-request-id"].len(), 36, "a UUID is made");
    assert_eq!(read(response).await, (200, "mine".to_owned()));
    assert_eq!(journal.line(), "a.pre a.post a.complete(whole)");
    let mut request = get("/");
    request.headers_mut().insert("x-request-id", HeaderValue::from_static("mine-1"));
    assert_eq!(app.oneshot(request).await.unwrap().headers()["x-request-id"], "mine-1");
}

#[tokio::test]
async fn a_runtime_serves_plugins_on_a_free_port() {
    let journal = Journal::default();
    let app = Router::new().route("/", route(|| async { "behind" }));
    let runtime = TestRuntime::builder().plugin(FakePlugin::new("a", &journal), json!({})).fallback(app).start().await;
    let mut stream = tokio::net::TcpStream::connect(runtime.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("behind"), "{answer}");
    runtime.stop().await;
    assert!(journal.line().ends_with("a.shutdown"));
}

#[tokio::test]
async fn every_hook_call_is_measured_with_its_outcome() {
    let journal = Journal::default();
    let host = host([FakePlugin::new("a", &journal).on(Stage::Pre, Act::Respond(204))]).start().await.unwrap();
    drive(&host, fine()).await;
    let link = &host.live().chain().links()[0].stats.clone();
    assert_eq!(link.read(Stage::Pre).outcomes[Outcome::Respond as usize], 1);
    assert_eq!(link.read(Stage::Post).outcomes[Outcome::Continue as usize], 1);
    assert_eq!(link.read(Stage::Complete).calls(), 1);
    assert!(link.read(Stage::Pre).total >= link.read(Stage::Pre).busy);
}

#[tokio::test]
async fn hook_calls_are_logged_for_traces_when_asked() {
    let journal = Journal::default();
    let seen = journal.clone();
    let ask = Act::Do(std::sync::Arc::new(buntime_core::Cx::log_hooks));
    let tell = Act::Do(std::sync::Arc::new(move |cx| {
        for call in cx.logged_hooks() {
            seen.note(format!("{}/{}/{}", call.plugin, call.stage.as_str(), call.outcome.as_str()));
        }
    }));
    let host = host([
        FakePlugin::new("a", &journal).at(1).on(Stage::Pre, ask).on(Stage::Complete, tell),
        FakePlugin::new("b", &journal).at(2),
    ]);
    let host = host.start().await.unwrap();
    drive(&host, fine()).await;
    let line = journal.line();
    for call in ["a/pre/continue", "b/pre/continue", "b/post/continue", "a/post/continue"] {
        assert!(line.contains(call), "{line}");
    }
}
