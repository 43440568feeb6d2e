//! Waiting for what becomes true.

use std::time::{Duration, Instant};

/// Asks again and again until the answer is yes; panics with `what` when patience runs out. Ten seconds, or what
/// `BUNTIME_TEST_PATIENCE` says in seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let seconds = std::env::var("BUNTIME_TEST_PATIENCE").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut pause = Duration::from_millis(1);
    while !holds().await {
        assert!(Instant::now() < end, "not within {seconds} s: {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
