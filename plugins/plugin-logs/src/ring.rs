//! The ring: the newest entries, bounded in number and in bytes. The oldest go first.
//!
//! Only the collector writes and only queries read, so its lock is never on the way of a request. Access lines stay in
//! their compact form; readers take a view of it and make entries of what they want without the lock.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{
    entry::{Entry, Level, timestamp},
    redact::Redactor,
    segments::{At, Segments, Shown},
    view::View,
};

/// What an empty place costs, so that many tiny entries are bounded by bytes too.
const PLACE: usize = size_of::<Slot>() + 2 * size_of::<usize>();

#[derive(Debug)]
pub(crate) struct Ring {
    slots: VecDeque<Slot>,
    segments: Segments,
    bytes: usize,
    next_id: u64,
    counts: [u64; Level::ALL.len()],
    max_entries: usize,
    max_bytes: usize,
}

/// One entry. Its id is that of the newest, less how many came after it.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    Event(Arc<Entry>),
    Line { at: At, len: u16, level: Level },
}

impl Slot {
    fn level(&self) -> Level {
        match self {
            Self::Event(entry) => entry.level,
            Self::Line { level, .. } => *level,
        }
    }

    fn size(&self) -> usize {
        PLACE
            + match self {
                Self::Event(entry) => entry.size(),
                Self::Line { len, .. } => usize::from(*len),
            }
    }
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

impl Ring {
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            slots: VecDeque::new(),
            segments: Segments::new(max_bytes),
            bytes: 0,
            next_id: first_id(),
            counts: [0; Level::ALL.len()],
            max_entries,
            max_bytes,
        }
    }

    pub(crate) fn limit(&mut self, max_entries: usize, max_bytes: usize) {
        (self.max_entries, self.max_bytes) = (max_entries, max_bytes);
        self.segments.limit(max_bytes);
        self.trim();
        self.slots.shrink_to(max_entries.min(self.slots.len() * 2));
    }

    /// The id the next entry gets.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Takes an entry that has [`Ring::next_id`].
    pub(crate) fn push(&mut self, entry: Arc<Entry>) {
        self.put(Slot::Event(entry));
    }

    /// Takes a compact line that happened then, in nanoseconds since 1970. It gets [`Ring::next_id`].
    pub(crate) fn push_line(&mut self, line: &[u8], time: u64, level: Level, redactor: &Arc<Redactor>) {
        let at = self.segments.push(line, time, redactor);
        // Lines are far shorter than 64 KB.
        self.put(Slot::Line { at, len: line.len() as u16, level });
    }

    fn put(&mut self, slot: Slot) {
        self.next_id += 1;
        self.bytes += slot.size();
        self.counts[slot.level() as usize] += 1;
        self.slots.push_back(slot);
        self.trim();
    }

    fn trim(&mut self) {
        while self.slots.len() > self.max_entries || (self.bytes > self.max_bytes && self.slots.len() > 1) {
            let Some(oldest) = self.slots.pop_front() else { return };
            self.bytes -= oldest.size();
            self.counts[oldest.level() as usize] -= 1;
            if let Slot::Line { .. } = oldest {
                self.segments.forget_oldest();
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.segments.clear();
        self.bytes = 0;
        self.counts = [0; Level::ALL.len()];
    }

    /// The id of the oldest entry, or the next one's.
    fn first(&self) -> u64 {
        self.next_id - self.slots.len() as u64
    }

    /// At most `most` entries with an id above `id`, to be read with that redactor. Nearly nothing is copied.
    pub(crate) fn view(&self, id: u64, most: usize, redactor: Arc<Redactor>) -> View {
        let first = self.first().max(id.saturating_add(1));
        let skipped = usize::try_from(first - self.first()).unwrap_or(usize::MAX);
        let slots: Vec<Slot> = self.slots.iter().skip(skipped).take(most).cloned().collect();
        let mut lines = slots.iter().filter_map(|slot| match slot {
            Slot::Line { at, .. } => Some(*at),
            Slot::Event(_) => None,
        });
        let shown = match (lines.next(), lines.next_back()) {
            (Some(from), to) => self.segments.show(from, to.unwrap_or(from)),
            (None, _) => Shown::none(),
        };
        let first = first.min(self.next_id);
        View::new(first, slots, shown, redactor)
    }

    fn happened(&self, slot: &Slot) -> Option<String> {
        let time = match slot {
            Slot::Event(entry) => entry.time,
            Slot::Line { at, .. } => SystemTime::UNIX_EPOCH + Duration::from_nanos(self.segments.time(*at)?),
        };
        Some(timestamp(time))
    }

    pub(crate) fn stats(&self, dropped: u64, stdout_dropped: u64) -> Stats {
        let [trace, debug, info, warn, error] = self.counts;
        Stats {
            counts: Counts { trace, debug, info, warn, error },
            newest: self.slots.back().and_then(|slot| self.happened(slot)),
            oldest: self.slots.front().and_then(|slot| self.happened(slot)),
            total: self.slots.len(),
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
    use crate::{entry::What, line::tests::line};

    fn entry(id: u64, level: Level, message: &str) -> Arc<Entry> {
        let what = What::Event { source: "test".into(), message: message.into(), meta: serde_json::Map::new() };
        Arc::new(Entry { id, time: SystemTime::UNIX_EPOCH, level, plugin: None, request_id: None, what })
    }

    /// Events and access lines in turns.
    fn filled(ring: &mut Ring, count: usize, message: &str) -> u64 {
        let first = ring.next_id();
        for index in 0..count {
            if index % 2 == 0 {
                ring.push(entry(ring.next_id(), Level::Info, message));
            } else {
                put_line(ring, 200, message);
            }
        }
        first
    }

    fn put_line(ring: &mut Ring, status: u16, path: &str) {
        let mut compact = Vec::new();
        let line = line(0, status, path);
        line.encode(&mut compact);
        ring.push_line(&compact, 1_000_000_000, line.level(), &Arc::default());
    }

    fn view(ring: &Ring, id: u64, most: usize) -> View {
        ring.view(id, most, Arc::default())
    }

    #[test]
    fn the_oldest_go_first_and_the_counts_follow() {
        let mut ring = Ring::new(3, 1 << 20);
        let first = filled(&mut ring, 3, "a");
        put_line(&mut ring, 500, "b");
        let shown = view(&ring, 0, 10);
        let ids: Vec<u64> = (0..shown.len()).filter_map(|index| Some(shown.entry(index)?.id - first)).collect();
        assert_eq!(ids, [1, 2, 3]);
        let stats = ring.stats(0, 0);
        assert_eq!((stats.total, stats.counts.info, stats.counts.error), (3, 2, 1));
        assert_eq!(stats.newest.as_deref(), Some("1970-01-01T00:00:01.000Z"));
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
        filled(&mut ring, 100, "x");
        assert_eq!(view(&ring, 0, 1000).len(), ring.stats(0, 0).total);
    }

    #[test]
    fn what_was_lost_is_told() {
        let mut ring = Ring::new(2, 1 << 20);
        let first = filled(&mut ring, 4, "a");
        let seen = |ring: &Ring, id, most| {
            let view = view(ring, id, most);
            (view.len(), view.gap(id))
        };
        assert_eq!(seen(&ring, first + 1, 10), (2, None));
        assert_eq!(seen(&ring, first, 10), (2, Some(first + 2)));
        assert_eq!(seen(&ring, first + 3, 10), (0, None));
        assert_eq!(seen(&ring, first + 100, 10), (0, None));
        assert_eq!(seen(&ring, first + 1, 1), (1, None));
        ring.clear();
        assert_eq!(seen(&ring, first + 1, 10), (0, Some(first + 4)), "what was cleared is a gap too");
    }
}
