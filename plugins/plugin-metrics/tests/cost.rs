//! The fast path allocates nothing once a route has been seen.

use std::time::Duration;

use buntime_core::{Completion, Ended};
use http::Method;
use plugin_metrics::{DEFAULT_BUCKETS, Requests, cells::Bounds};

#[test]
fn counting_a_known_route_allocates_nothing() {
    let requests = Requests::new(Bounds::new(&DEFAULT_BUCKETS), 200);
    let end = Completion {
        ended: Ended::Whole,
        status: 200,
        error: None,
        request_bytes: 1,
        response_bytes: 1,
        to_head: Duration::from_millis(1),
        total: Duration::from_millis(1),
    };
    let exchange = || {
        requests.begin();
        requests.end(Some("users"), &Method::GET, &end);
    };
    exchange();
    let counted = allocation_counter::measure(|| (0..1000).for_each(|_| exchange()));
    assert_eq!(counted.count_total, 0);
}
