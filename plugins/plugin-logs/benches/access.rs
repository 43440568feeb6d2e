//! What the access log costs a request. Budget: less than 5 µs with the ring on and stdout off.

use std::{hint::black_box, sync::Arc};

use axum::body::Body;
use buntime_core::{Host, Http, Meta, Step, handler_fn};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderValue, Request, Response};
use plugin_logs::{LogBus, LogsPlugin};
use serde_json::{Value, json};

fn exchange(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let collector = json!({ "otlp": { "endpoint": "http://127.0.0.1:9", "timeout": "100ms" } });
    let cases: [(&str, Option<Value>); 4] = [
        ("without", None),
        ("hook_without_line", Some(json!({ "access": false }))),
        ("access_line", Some(json!({}))),
        ("access_line_and_spans", Some(collector)),
    ];
    for (name, settings) in cases {
        let bus = LogBus::new();
        let mut host = Host::builder();
        if let Some(settings) = settings {
            host = host.plugin(LogsPlugin::on(bus.clone()), settings);
        }
        let host = runtime.block_on(host.start()).expect("it starts");
        let chain = host.live().chain().clone();
        let handler = Arc::new(handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::empty()).into())));
        c.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| {
                let request =
                    Request::get("/users/1234?page=2").header("user-agent", "bench/1").header("host", "a.example");
                let request = request.body(Body::empty()).expect("a request");
                let meta = Meta::new(HeaderValue::from_static("0198c0de-0000-7000-8000-000000000000"));
                let (chain, handler) = (chain.clone(), handler.clone());
                async move { black_box(chain.respond(meta, request, handler).await) }
            });
        });
        let stats = bus.stats();
        assert!(name.starts_with("access_line") == (stats.total > 0), "{name}: {stats:?}");
        #[expect(clippy::print_stderr, reason = "a bench that loses lines measures less than it says")]
        if stats.dropped > 0 {
            eprintln!("{name}: {} lines were lost", stats.dropped);
        }
        runtime.block_on(host.stop(std::time::Duration::from_secs(1)));
    }
}

criterion_group!(benches, exchange);
criterion_main!(benches);
