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
