//! What the access log costs a request, on the worker and on the collector's thread. Budgets: 150 ns more on the worker
//! than without the line, and 80 ns on the collector while nobody reads.

use std::{
    fs,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use buntime_core::{Handler, Host, Http, Meta, Step, handler_fn};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderValue, Request, Response};
use plugin_logs::{LogBus, LogsPlugin};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Exchanges between two flushes: few enough that none is lost.
const BURST: u64 = 1000;

/// A host, and what answers.
struct Bench {
    runtime: Runtime,
    bus: LogBus,
    host: Host,
    handler: Arc<dyn Handler<Http>>,
}

impl Bench {
    fn start(settings: Option<Value>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let bus = LogBus::new();
        let mut host = Host::builder();
        if let Some(settings) = settings {
            host = host.plugin(LogsPlugin::on(bus.clone()), settings);
        }
        let host = runtime.block_on(host.start()).expect("it starts");
        let handler = Arc::new(handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::empty()).into())));
        Self { runtime, bus, host, handler }
    }

    /// The time of that many exchanges, without that of the flushes between them.
    fn run(&self, count: u64) -> Duration {
        let chain = self.host.live().chain().clone();
        let (mut left, mut took) = (count, Duration::ZERO);
        while left > 0 {
            let burst = left.min(BURST);
            took += self.runtime.block_on(async {
                let began = Instant::now();
                for _ in 0..burst {
                    let request =
                        Request::get("/users/1234?page=2").header("user-agent", "bench/1").header("host", "a.example");
                    let request = request.body(Body::empty()).expect("a request");
                    let meta = Meta::new(HeaderValue::from_static("0198c0de-0000-7000-8000-000000000000"));
                    black_box(chain.respond(meta, request, self.handler.clone()).await);
                }
                let took = began.elapsed();
                self.bus.flush().await;
                took
            });
            left -= burst;
        }
        took
    }
}

fn exchange(c: &mut Criterion) {
    let collector = json!({ "otlp": { "endpoint": "http://127.0.0.1:9", "timeout": "100ms" } });
    let cases: [(&str, Option<Value>); 4] = [
        ("without", None),
        ("hook_without_line", Some(json!({ "access": false }))),
        ("access_line", Some(json!({}))),
        ("access_line_and_spans", Some(collector)),
    ];
    for (name, settings) in cases {
        let bench = Bench::start(settings);
        c.bench_function(name, |bencher| bencher.iter_custom(|count| bench.run(count)));
        let stats = bench.bus.stats();
        assert!(name.starts_with("access_line") == (stats.total > 0), "{name}: {stats:?}");
        assert_eq!(stats.dropped, 0, "{name}: a bench that loses lines measures less than it says");
        bench.runtime.block_on(bench.host.stop(Duration::from_secs(1)));
    }
}

/// The processor's time that the collector takes for an entry, its share of the flushes included.
fn collect(c: &mut Criterion) {
    for (name, settings) in [("collect", json!({})), ("collect_small_ring", json!({ "maxEntries": 100 }))] {
        let bench = Bench::start(Some(settings));
        c.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let before = collectors();
                bench.run(count);
                collectors() - before
            });
        });
        bench.runtime.block_on(bench.host.stop(Duration::from_secs(1)));
    }
}

/// What every collector of this process has run so far.
fn collectors() -> Duration {
    let threads = fs::read_dir("/proc/self/task").expect("this bench is for Linux").flatten();
    let named = threads.filter(|thread| fs::read_to_string(thread.path().join("comm")).is_ok_and(|n| n == "logs\n"));
    let nanos = named.filter_map(|thread| {
        let figures = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        figures.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

criterion_group!(benches, exchange, collect);
criterion_main!(benches);
