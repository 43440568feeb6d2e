//! The fast path: counting alone, and an exchange through a chain with and without the plugin.
//!
//! `cargo bench -p plugin-metrics`. The budget for a built-in on its fast path is 5 µs.

use std::{hint::black_box, sync::Arc, time::Duration};

use axum::body::Body;
use buntime_core::{Completion, Ended, Handler, Host, Http, Matched, Meta, Step, handler_fn};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderValue, Method, Request, Response};
use plugin_metrics::{DEFAULT_BUCKETS, MetricsPlugin, Requests, cells::Bounds, prometheus, snapshot::Snapshot};
use serde_json::json;

const END: Completion = Completion {
    ended: Ended::Whole,
    status: 200,
    error: None,
    request_bytes: 512,
    response_bytes: 1024,
    to_head: Duration::from_micros(900),
    total: Duration::from_millis(1),
};

fn counting(c: &mut Criterion) {
    let requests = Requests::new(Bounds::new(&DEFAULT_BUCKETS), 200);
    let labels: Vec<String> = (0..100).map(|index| format!("service:route-{index}")).collect();
    let mut turn = 0;
    c.bench_function("count one request among 100 routes", |b| {
        b.iter(|| {
            turn = (turn + 1) % labels.len();
            requests.begin();
            requests.end(Some(black_box(&labels[turn])), &Method::GET, &END);
        });
    });
    c.bench_function("read and render 100 routes", |b| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let host = runtime.block_on(Host::builder().start()).expect("an empty host");
        let clock = buntime_core::clock::Clock::system();
        b.iter(|| prometheus::render(&Snapshot::take(&requests, &host.view(), &clock, None)).len());
    });
}

fn chain(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bare = runtime.block_on(Host::builder().start()).expect("an empty host");
    let counted = runtime.block_on(Host::builder().plugin(MetricsPlugin, json!({})).start()).expect("a host");
    let handler: Arc<dyn Handler<Http>> =
        Arc::new(handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::empty()).into())));
    let matched = Arc::new(Matched { label: "service:users".into(), plugin: None, public: false, data: None });
    for (name, host) in [("exchange, empty chain", &bare), ("exchange, metrics", &counted)] {
        let chain = host.live().chain().clone();
        c.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| {
                let mut meta = Meta::new(HeaderValue::from_static("bench"));
                meta.route = Some(matched.clone());
                let request = Request::builder().uri("/users/1").body(Body::empty()).expect("a request");
                let (chain, handler) = (chain.clone(), handler.clone());
                async move {
                    let answer = chain.run(meta, request.into(), handler).await;
                    answer.tail.finish(Ended::Whole);
                }
            });
        });
    }
}

criterion_group!(benches, counting, chain);
criterion_main!(benches);
