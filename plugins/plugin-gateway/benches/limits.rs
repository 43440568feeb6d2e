//! What one check costs, beside a bare keyed `governor` check in the same run.
//!
//! `cargo bench -p plugin-gateway`. The budget is 200 ns for a key that is known, in memory.

use std::{hint::black_box, num::NonZeroU32, sync::Arc, time::Duration};

use axum::body::Body;
use buntime_core::{Clock, Handler, Host, Http, Meta, Step, handler_fn};
use criterion::{Criterion, criterion_group, criterion_main};
use governor::{Quota, RateLimiter};
use http::{HeaderValue, Request, Response};
use plugin_gateway::{Algorithm, AlgorithmName, Counted, GatewayPlugin, LimitSettings};
use serde_json::json;

const KEYS: usize = 10_000;

fn keys(len: usize) -> Vec<Vec<u8>> {
    (0..KEYS).map(|number| format!("{number:0>len$}").into_bytes()).collect()
}

fn checks(c: &mut Criterion) {
    for len in [8, 40, 200] {
        let keys = keys(len);
        let mut turn = 0;
        let most = NonZeroU32::new(1_000_000).expect("it is not zero");
        let governor = RateLimiter::keyed(Quota::per_second(most));
        for key in &keys {
            let _ = governor.check_key(key);
        }
        c.bench_function(&format!("governor, keyed, {len} bytes"), |b| {
            b.iter(|| {
                turn = (turn + 7) % KEYS;
                black_box(governor.check_key(black_box(&keys[turn])).is_ok())
            });
        });
        for name in [AlgorithmName::TokenBucket, AlgorithmName::FixedWindow, AlgorithmName::SlidingWindow] {
            let settings = LimitSettings {
                requests: Some(1_000_000),
                window: Some(buntime_core::units::Span::secs(1)),
                algorithm: Some(name),
                ..LimitSettings::default()
            };
            let (clock, algorithm) = (Clock::system(), Algorithm::new(&settings));
            let counted = Counted::new(&clock, 2 * KEYS);
            for key in &keys {
                counted.take(key, &algorithm, clock.now(), 1, Duration::ZERO);
            }
            c.bench_function(&format!("{name:?}, {len} bytes"), |b| {
                b.iter(|| {
                    turn = (turn + 7) % KEYS;
                    black_box(counted.take(black_box(&keys[turn]), &algorithm, clock.now(), 1, Duration::ZERO).allowed)
                });
            });
        }
    }
}

fn chains(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let handler: Arc<dyn Handler<Http>> =
        Arc::new(handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::empty()).into())));
    let limit = json!({ "requests": 1_000_000_000, "window": "1s" });
    for (name, settings) in [
        ("an exchange without", None),
        ("an exchange with a limit", Some(json!({ "rateLimit": limit }))),
        (
            "an exchange with a limit and CORS",
            Some(json!({ "rateLimit": limit, "cors": { "origin": "https://a.example" } })),
        ),
    ] {
        let builder = Host::builder();
        let builder = match settings {
            Some(settings) => builder.plugin(GatewayPlugin, settings),
            None => builder,
        };
        let host = runtime.block_on(builder.start()).expect("a host");
        let chain = host.live().chain().clone();
        c.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| {
                let (chain, handler) = (chain.clone(), handler.clone());
                async move {
                    let request = Request::new(Body::empty());
                    chain.respond(Meta::new(HeaderValue::from_static("id")), request, handler).await
                }
            });
        });
        runtime.block_on(host.stop(Duration::from_secs(1)));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    targets = checks, chains
}
criterion_main!(benches);
