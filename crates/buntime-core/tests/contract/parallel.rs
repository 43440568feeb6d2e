//! Section 4.6: parallel batches.

use std::{sync::Arc, time::Duration};

use buntime_core::{Changes, ErrorKind, Http, Stage, Step, handler_fn};
use buntime_testing::{Act, FakePlugin, Journal};
use http::HeaderValue;
use serde_json::{Value, json};

use crate::{drive, fine, get, host_with, meta, read};

fn parallel(plugin: FakePlugin) -> (FakePlugin, Value) {
    (plugin.at(5), json!({ "mode": "parallel" }))
}

fn adds(name: &str, journal: &Journal, value: &'static str) -> FakePlugin {
    let act = Act::Do(Arc::new(move |cx| {
        let headers = &mut cx.request_mut().headers;
        assert!(!headers.contains_key("x-by"), "sees the request as the batch began");
        headers.append("x-by", HeaderValue::from_static(value));
    }));
    FakePlugin::new(name, journal).on(Stage::Pre, act)
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_as_long_as_its_slowest_and_applies_changes_in_chain_order() {
    let journal = Journal::default();
    let slow = |n: &str| FakePlugin::new(n, &journal).on(Stage::Pre, Act::After(Duration::from_secs(1)));
    let host = host_with([
        parallel(slow("a")),
        parallel(slow("b")),
        parallel(adds("c", &journal, "c")),
        parallel(adds("d", &journal, "d")),
    ]);
    let host = host.start().await.unwrap();
    let begun = tokio::time::Instant::now();
    let seen = Arc::new(handler_fn::<Http, _>(|cx| {
        let by: Vec<_> = cx.request().headers.get_all("x-by").iter().filter_map(|v| v.to_str().ok()).collect();
        Step::ready(http::Response::new(axum::body::Body::from(by.join(","))).into())
    }));
    assert_eq!(drive(&host, seen).await, (200, "c,d".to_owned()));
    assert_eq!(begun.elapsed(), Duration::from_secs(1), "together, not one after the other");
    let line = journal.line();
    assert!(line.contains("d.post c.post b.post a.post"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn the_first_short_circuit_in_chain_order_wins() {
    let journal = Journal::default();
    let slow = |status| {
        let pause = Duration::from_secs(1);
        move |cx: &mut buntime_core::Cx<Http>| {
            let _ = (cx, pause);
            buntime_core::Pre::respond(
                http::Response::builder().status(status).body(axum::body::Body::empty()).unwrap().into(),
            )
        }
    };
    let host = host_with([
        parallel(FakePlugin::new("a", &journal).on(Stage::Pre, Act::After(Duration::from_secs(1)))),
        parallel(FakePlugin::new("b", &journal).on(Stage::Pre, Act::Pre(Arc::new(slow(201))))),
        parallel(FakePlugin::new("c", &journal).on(Stage::Pre, Act::Respond(202))),
    ]);
    let host = host.start().await.unwrap();
    assert_eq!(drive(&host, fine()).await.0, 201);
    let line = journal.line();
    assert!(line.contains("c.post b.post a.post"), "all three were entered: {line}");
}

#[tokio::test]
async fn an_error_cancels_the_rest_of_its_batch() {
    let journal = Journal::default();
    let host = host_with([
        parallel(FakePlugin::new("a", &journal).on(Stage::Pre, Act::Stall)),
        parallel(FakePlugin::new("b", &journal).on(Stage::Pre, Act::Refuse(ErrorKind::Forbidden))),
    ]);
    let host = host.start().await.unwrap();
    assert_eq!(drive(&host, fine()).await.0, 403);
    assert!(journal.line().contains("b.error(forbidden) a.error(forbidden)"), "{}", journal.line());
}

#[tokio::test]
async fn a_second_plugin_that_changes_bodies_or_values_runs_alone_with_a_warning() {
    let journal = Journal::default();
    let changes = |n: &str| FakePlugin::new(n, &journal).changing(Changes::REQUEST_BODY);
    let host = host_with([parallel(changes("a")), parallel(changes("b")), parallel(FakePlugin::new("c", &journal))]);
    let host = host.start().await.unwrap();
    let warnings = host.live().warnings().to_vec();
    assert_eq!(warnings, ["`b` runs after its batch: `a` in it already changes bodies or shared values"]);
    assert_eq!(drive(&host, fine()).await.0, 200);
}

#[tokio::test]
async fn one_of_a_batch_may_change_the_body() {
    let journal = Journal::default();
    let change = Act::Do(Arc::new(|cx| cx.set_body(axum::body::Body::from("changed"))));
    let plugin = FakePlugin::new("a", &journal).changing(Changes::REQUEST_BODY).on(Stage::Pre, change);
    let host = host_with([parallel(plugin), parallel(FakePlugin::new("b", &journal))]).start().await.unwrap();
    let echo = Arc::new(handler_fn::<Http, _>(|cx| Step::ready(http::Response::new(cx.take_body()).into())));
    let response = host.live().chain().respond(meta(), get("/"), echo).await;
    assert_eq!(read(response).await.1, "changed");
}

#[tokio::test]
async fn a_client_that_leaves_during_a_batch_is_told_to_all_of_it() {
    let journal = Journal::default();
    let host = host_with([
        parallel(FakePlugin::new("a", &journal).on(Stage::Pre, Act::Stall)),
        parallel(FakePlugin::new("b", &journal)),
    ]);
    let host = host.start().await.unwrap();
    journal.take();
    let chain = host.live().chain().clone();
    let mut future = Box::pin(async move { chain.respond(meta(), get("/"), fine()).await });
    assert!(futures_util::poll!(&mut future).is_pending());
    drop(future);
    buntime_testing::eventually("completed", || async { journal.line().contains("a.complete") }).await;
    assert_eq!(
        journal.line(),
        "a.pre b.pre b.error(client_closed) a.error(client_closed) b.complete(client_gone) a.complete(client_gone)"
    );
}
