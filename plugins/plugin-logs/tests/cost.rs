//! An access line allocates nothing on the way of a request, and nothing that is let go of elsewhere.

mod common;

use std::sync::Arc;

use axum::body::Body;
use buntime_core::{Handler, Http, Matched, Meta, Step, handler_fn};
use common::Fixture;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response};
use serde_json::{Value, json};

const EXCHANGES: u64 = 50;

/// The heap allocations of some exchanges, once one has been.
async fn allocations(settings: Value) -> u64 {
    let fixture = Fixture::start(settings).await;
    let live = fixture.host.live();
    let handler: Arc<dyn Handler<Http>> =
        Arc::new(handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::empty()).into())));
    let route = Arc::new(Matched { label: "proxy:a".into(), plugin: Some("proxy".into()), public: true, data: None });
    let exchange = || {
        let mut meta = Meta::new(HeaderValue::from_static("0198c0de-0000-7000-8000-000000000000"));
        meta.route = Some(route.clone());
        let request = Request::get("/users/1234?page=2").header("user-agent", "test/1");
        let request = request.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let request = request.body(Body::empty()).unwrap();
        let counted = allocation_counter::measure(|| {
            let response = live.chain().respond(meta, request, handler.clone()).now_or_never().unwrap();
            assert_eq!(response.status(), 200);
        });
        counted.count_total
    };
    exchange();
    fixture.bus.flush().await;
    let count = (0..EXCHANGES).map(|_| exchange()).sum();
    let lines = fixture.json("/p/logs/api/logs?plugin=proxy&limit=1000").await["logs"].as_array().unwrap().len() as u64;
    assert!(lines == 0 || lines == EXCHANGES + 1, "{lines} lines");
    count
}

#[tokio::test]
async fn a_line_allocates_nothing() {
    let without = allocations(json!({ "access": false })).await;
    let with = allocations(json!({ "query": true })).await;
    assert_eq!(with, without, "of {EXCHANGES} exchanges");
}
