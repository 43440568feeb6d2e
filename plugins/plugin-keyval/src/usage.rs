//! How much a namespace holds. Counting looks at every entry, so it is done again only after a hundred times as long as it
//! took: it costs a hundredth of a processor at most, however often somebody asks.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use buntime_keyval::{Namespace, Result};
use tokio::sync::Mutex;

const SHORTEST: Duration = Duration::from_secs(1);

/// What was counted of each namespace. Who asks while it is counted waits for that.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<HashMap<String, Counted>>);

#[derive(Clone, Copy, Debug)]
struct Counted {
    entries: u64,
    bytes: u64,
    good_until: Instant,
}

impl Usage {
    /// Entries and bytes.
    pub(crate) async fn of(&self, kv: &Namespace) -> Result<(u64, u64)> {
        let mut known = self.0.lock().await;
        if let Some(counted) = known.get(kv.name()).filter(|counted| counted.good_until > Instant::now()) {
            return Ok((counted.entries, counted.bytes));
        }
        let begun = Instant::now();
        let (entries, bytes) = kv.usage().await?;
        let pause = (begun.elapsed() * 100).max(SHORTEST);
        known.insert(kv.name().to_owned(), Counted { entries, bytes, good_until: Instant::now() + pause });
        Ok((entries, bytes))
    }
}
