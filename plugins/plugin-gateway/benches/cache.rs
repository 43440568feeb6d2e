//! What a hit costs, through a chain of the cache alone, beside the same chain without it.
//!
//! `cargo bench -p plugin-gateway --bench cache`.

use std::{hint::black_box, sync::Arc};

use axum::body::Body;
use buntime_core::{Handler, Host, Http, Meta, Step, handler_fn};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderValue, Request, Response};
use plugin_gateway::GatewayPlugin;
use serde_json::json;

fn hits(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let handler: Arc<dyn Handler<Http>> = Arc::new(handler_fn::<Http, _>(|_| {
        let response = Response::builder().header("cache-control", "max-age=3600").header("content-type", "text/plain");
        let response = response.header("etag", "\"a\"").header("server", "origin").header("via", "1.1 buntime");
        let body = Body::from(vec![b'x'; 1024]);
        Step::ready(response.body(body).expect("a response").into())
    }));
    for (name, settings) in [("without", json!({})), ("a hit", json!({ "cache": {} }))] {
        let host = runtime.block_on(Host::builder().plugin(GatewayPlugin, settings).start()).expect("it starts");
        let chain = host.live().chain().clone();
        c.bench_function(&format!("cache: {name}"), |b| {
            b.iter(|| {
                let request = Request::builder().uri("/products/1?a=b").header("host", "www.example.com");
                let request = request.header("user-agent", "bench").header("accept", "*/*");
                let request = request.body(Body::empty()).expect("a request");
                let meta = Meta::new(HeaderValue::from_static("id"));
                runtime.block_on(async {
                    let response = chain.respond(meta, request, handler.clone()).await;
                    black_box(axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body"))
                })
            });
        });
    }
}

criterion_group!(benches, hits);
criterion_main!(benches);
