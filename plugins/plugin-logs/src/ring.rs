//! The ring: the newest entries, bounded in number and in bytes. The oldest go first.
//!
//! Only the collector writes and only queries read, so its lock is never on the way of a request.

use std::{collections::VecDeque, sync::Arc, time::SystemTime};

use serde::Serialize;

use crate::entry::{Entry, Level};

/// What an empty place costs, so that many tiny entries are bounded by bytes too.
const PLACE: usize = size_of::<Arc<Entry>>() + 2 * size_of::<usize>();

#[derive(Debug)]
pub(crate) struct Ring {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    next_id: u64,
    counts: [u64; Level::ALL.len()],
    max_entries: usize,
    max_bytes: usize,
}

/// Figures about what the ring holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// How many entries, by level.
    pub counts: Counts,
    /// When the newest happened; RFC 3339.
    pub newest: Option<String>,
    /// When the oldest happened; RFC 3339.
    pub oldest: Option<String>,
    /// How many entries.
    pub total: usize,
    /// About how much memory they take.
    pub bytes: usize,
    /// Entries that were lost because more came than could be kept up with, since the process began.
    pub dropped: u64,
    /// Lines that were not written to stdout because it was too slow, since the process began.
    pub stdout_dropped: u64,
}

/// Entries by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// See [`Level::Trace`].
    pub trace: u64,
    /// See [`Level::Debug`].
    pub debug: u64,
    /// See [`Level::Info`].
    pub info: u64,
    /// See [`Level::Warn`].
    pub warn: u64,
    /// See [`Level::Error`].
    pub error: u64,
}

/// Entries after some id.
#[derive(Debug)]
pub(crate) struct After {
    pub(crate) entries: Vec<Arc<Entry>>,
    /// The first id that is not lost, when some between were.
    pub(crate) gap: Option<u64>,
}

impl Ring {
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            next_id: first_id(),
            counts: [0; Level::ALL.len()],
            max_entries,
            max_bytes,
        }
    }

    pub(crate) fn limit(&mut self, max_entries: usize, max_bytes: usize) {
        (self.max_entries, self.max_bytes) = (max_entries, max_bytes);
        self.trim();
        self.entries.shrink_to(max_entries.min(self.entries.len() * 2));
    }

    /// The id the next entry gets.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Takes an entry that has [`Ring::next_id`].
    pub(crate) fn push(&mut self, entry: Arc<Entry>) {
        self.next_id = entry.id + 1;
        self.bytes += PLACE + entry.size();
        self.counts[entry.level as usize] += 1;
        self.entries.push_back(entry);
        self.trim();
    }

    fn trim(&mut self) {
        while self.entries.len() > self.max_entries || (self.bytes > self.max_bytes && self.entries.len() > 1) {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= PLACE + oldest.size();
            self.counts[oldest.level as usize] -= 1;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
        self.counts = [0; Level::ALL.len()];
    }

    /// Everything, oldest first. Entries are shared, not copied.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.iter().cloned().collect()
    }

    /// At most `most` entries with an id above `id`, oldest first.
    pub(crate) fn after(&self, id: u64, most: usize) -> After {
        let start = self.entries.partition_point(|entry| entry.id <= id);
        let first = self.entries.get(start).map_or(self.next_id, |entry| entry.id);
        After {
            entries: self.entries.iter().skip(start).take(most).cloned().collect(),
            gap: (first > id.saturating_add(1)).then_some(first),
        }
    }

    pub(crate) fn stats(&self, dropped: u64, stdout_dropped: u64) -> Stats {
        let [trace, debug, info, warn, error] = self.counts;
        Stats {
            counts: Counts { trace, debug, info, warn, error },
            newest: self.entries.back().map(|entry| entry.timestamp()),
            oldest: self.entries.front().map(|entry| entry.timestamp()),
            total: self.entries.len(),
            bytes: self.bytes,
            dropped,
            stdout_dropped,
        }
    }
}

/// Microseconds since 1970: above every id of an earlier process, and exact in JavaScript.
fn first_id() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::What;

    fn entry(id: u64, level: Level, message: &str) -> Arc<Entry> {
        let what = What::Event { source: "test".into(), message: message.into(), meta: serde_json::Map::new() };
        Arc::new(Entry { id, time: SystemTime::UNIX_EPOCH, level, plugin: None, request_id: None, what })
    }

    fn filled(ring: &mut Ring, count: usize, message: &str) -> u64 {
        let first = ring.next_id();
        for _ in 0..count {
            ring.push(entry(ring.next_id(), Level::Info, message));
        }
        first
    }

    #[test]
    fn the_oldest_go_first_and_the_counts_follow() {
        let mut ring = Ring::new(3, 1 << 20);
        let first = filled(&mut ring, 3, "a");
        ring.push(entry(ring.next_id(), Level::Error, "b"));
        assert_eq!(ring.all().iter().map(|e| e.id - first).collect::<Vec<_>>(), [1, 2, 3]);
        let stats = ring.stats(0, 0);
        assert_eq!((stats.total, stats.counts.info, stats.counts.error), (3, 2, 1));
        ring.limit(1, 1 << 20);
        assert_eq!(ring.stats(0, 0).counts, Counts { error: 1, ..Counts::default() });
    }

    #[test]
    fn bytes_bound_it_too() {
        let mut ring = Ring::new(1000, 20_000);
        filled(&mut ring, 100, &"x".repeat(1000));
        let stats = ring.stats(0, 0);
        assert!(stats.bytes <= 20_000 && stats.total < 20, "{stats:?}");
        ring.clear();
        assert_eq!(ring.stats(0, 0).bytes, 0);
    }

    #[test]
    fn what_was_lost_is_told() {
        let mut ring = Ring::new(2, 1 << 20);
        let first = filled(&mut ring, 4, "a");
        let after = ring.after(first + 1, 10);
        assert_eq!((after.entries.len(), after.gap), (2, None));
        let after = ring.after(first, 10);
        assert_eq!((after.entries.len(), after.gap), (2, Some(first + 2)));
        assert_eq!(ring.after(first + 3, 10).gap, None);
        assert_eq!(ring.after(first + 1, 1).entries.len(), 1);
        ring.clear();
        assert_eq!(ring.after(first + 1, 10).gap, Some(first + 4), "what was cleared is a gap too");
    }
}
