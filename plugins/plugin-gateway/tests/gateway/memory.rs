//! What counting costs: nothing on the heap for a known key, and a bounded heap whatever the number of keys.

use std::time::Duration;

use buntime_core::Clock;
use plugin_gateway::{Algorithm, Counted, LimitSettings};

fn key(number: usize) -> Vec<u8> {
    format!("{number:0>200}").into_bytes()
}

#[test]
fn a_known_key_allocates_nothing() {
    let (clock, algorithm) = (Clock::system(), Algorithm::new(&LimitSettings::default()));
    let counted = Counted::new(&clock, 100_000);
    let key = key(1);
    counted.take(&key, &algorithm, clock.now(), 1, Duration::ZERO);
    let measured = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            counted.take(&key, &algorithm, clock.now(), 1, Duration::ZERO);
        }
    });
    assert_eq!(measured.count_total, 0);
}

#[test]
fn a_hundred_thousand_keys_take_less_than_forty_megabytes_and_then_it_is_flat() {
    let (clock, algorithm) = (Clock::fake(), Algorithm::new(&LimitSettings::default()));
    let counted = Counted::new(&clock, 100_000);
    let now = clock.now();
    let fill = |from: usize, to: usize| {
        allocation_counter::measure(|| {
            for number in from..to {
                counted.take(&key(number), &algorithm, now, 1, Duration::ZERO);
            }
        })
    };
    let first = fill(0, 100_000);
    assert!(first.bytes_current < 40_000_000 && first.bytes_max < 40_000_000, "{first:?}");
    let second = fill(100_000, 400_000);
    assert!(second.bytes_current < 1_500_000, "{second:?}");
    let third = fill(400_000, 700_000);
    assert!(third.bytes_current <= 100_000, "{third:?}");
}

/// What a hit allocates beyond the same exchange with a response that has no fields and no body: the response's fields
/// (two: their places and their values), its box, its body's box.
#[test]
fn a_hit_allocates_its_response_and_nothing_else() {
    use crate::common::{builder, get};
    use buntime_core::{Http, Step, handler_fn};
    use serde_json::json;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let per_exchange = |settings: serde_json::Value, full: bool| {
        let host = runtime.block_on(builder(settings).start()).unwrap();
        let exchange = || {
            let handler = handler_fn::<Http, _>(move |_| {
                let mut response = http::Response::new(axum::body::Body::empty());
                if full {
                    *response.body_mut() = axum::body::Body::from("x".repeat(1000));
                    for (name, value) in
                        [("cache-control", "max-age=3600"), ("etag", "\"a\""), ("x-a", "1"), ("x-b", "2")]
                    {
                        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
                    }
                }
                Step::ready(response.into())
            });
            let response = runtime.block_on(get("/a").answered(&host, handler));
            // The first is stored when it has been read.
            runtime.block_on(axum::body::to_bytes(response.into_body(), 1 << 20)).unwrap()
        };
        exchange();
        let measured = allocation_counter::measure(|| {
            for _ in 0..100 {
                exchange();
            }
        });
        measured.count_total as f64 / 100.0
    };
    let bare = per_exchange(json!({}), false);
    let hit = per_exchange(json!({ "cache": {} }), true);
    assert!(hit - bare <= 6.0, "a hit: {hit}, nothing: {bare}");
}
