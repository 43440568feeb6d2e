//! The fast path allocates nothing once a route, or a series, has been seen.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use buntime_core::{Completion, Ended};
use http::Method;
use plugin_metrics::{DEFAULT_BUCKETS, Requests, Tally, cells::Bounds};

const END: Completion = Completion {
    ended: Ended::Whole,
    status: 200,
    error: None,
    request_bytes: 1,
    response_bytes: 1,
    to_head: Duration::from_millis(1),
    total: Duration::from_millis(1),
};

#[test]
fn counting_a_known_route_allocates_nothing() {
    let requests = Requests::new(Bounds::new(&DEFAULT_BUCKETS), 200);
    let exchange = || {
        requests.begin();
        requests.end(Some("users"), &Method::GET, &END);
    };
    exchange();
    let counted = allocation_counter::measure(|| (0..1000).for_each(|_| exchange()));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn counting_a_known_series_allocates_nothing_whoever_takes() {
    let (tally, acme, now) = (Tally::new(2), Arc::<str>::from("acme"), Instant::now());
    let failed = Completion { status: 502, error: Some("upstream_unreachable"), ..END };
    let exchange = || {
        tally.count("service:users/all", Some(&acme), &END);
        tally.count("service:users/all", Some(&acme), &failed);
        // There is no room for it.
        tally.count("unmatched", None, &END);
    };
    exchange();
    for _ in 0..3 {
        let counted = allocation_counter::measure(|| (0..1000).for_each(|_| exchange()));
        assert_eq!(counted.count_total, 0);
        assert_eq!(tally.take(now).len(), 3);
    }
}
