//! The collector: the one thread that takes what was offered, gives it ids in the order it happened, and hands it to
//! the ring and the sinks.
//!
//! It works in batches with a short pause between them, and sleeps while nothing comes. Events become entries here. An
//! access line is only copied into the ring; it becomes an entry when stdout or an exporter wants it.

use std::{
    mem::take,
    sync::{Arc, Weak},
    thread::{park, park_timeout},
    time::{Duration, Instant, SystemTime},
};

use crate::{
    bus::{Done, Shared, Tap},
    entry::{Entry, Level},
    intake::{Flush, Pending},
    line::{Line, Peek, nanos, peek},
    record::Record,
    redact::Redactor,
    stdout::Writer,
};

/// Between two batches.
const PAUSE: Duration = Duration::from_millis(5);
/// Entries that sinks are handed at a time.
const BATCH: usize = 512;

pub(crate) fn run(shared: &Weak<Shared>) {
    let mut taken = Vec::new();
    loop {
        let Some(shared) = shared.upgrade() else { return };
        // A panic here would end all logging; the batch is lost instead. No words: this is where words go.
        let collected = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| collect(&shared, &mut taken)));
        let rests = !collected.unwrap_or(true) && shared.intake.rest();
        // Before it sleeps: when this is the last share, dropping it wakes this thread, to end it.
        drop(shared);
        if rests {
            park();
        } else {
            park_timeout(PAUSE);
        }
    }
}

/// One round. False when there was nothing.
fn collect(shared: &Shared, taken: &mut Vec<Pending>) -> bool {
    shared.intake.rested();
    taken.resize_with(shared.intake.places(), Pending::default);
    // What a panic has left behind, too.
    taken.iter_mut().for_each(Pending::empty);
    let flushes = shared.intake.take(taken);
    let redactor = shared.redactor();
    let next_id = shared.ring().next_id();
    let batch = in_order(taken, shared.intake.moment(Instant::now()), next_id, &redactor);
    let any = !batch.is_empty() || !flushes.is_empty();
    if !batch.is_empty() {
        keep(shared, &batch, &redactor);
    }
    let (writers, taps) = shared.outputs();
    if !(writers.is_empty() && taps.is_empty()) {
        hand_out(&batch, next_id, &redactor, &writers, &taps);
    }
    flushes.into_iter().for_each(|flush| finish(flush, &writers));
    any
}

/// What becomes an entry of the ring.
enum Item<'a> {
    Event(Arc<Entry>),
    Line { compact: &'a [u8], peek: Peek },
}

/// What one place has, oldest first.
struct Source<'a> {
    lines: &'a [u8],
    /// How far `lines` is read.
    at: usize,
    /// How much a worker's moments are behind nanoseconds since 1970.
    behind: u64,
    events: std::iter::Peekable<std::vec::Drain<'a, (usize, Record)>>,
    next: Next,
}

/// What comes next from a source, and when it happened, in nanoseconds since 1970.
#[derive(Clone, Copy)]
enum Next {
    Event(u64),
    Line(Peek),
    Nothing,
}

impl<'a> Source<'a> {
    fn new(pending: &'a mut Pending, behind: u64) -> Self {
        let Pending { lines, events, .. } = pending;
        let mut source = Self { lines, at: 0, behind, events: events.drain(..).peekable(), next: Next::Nothing };
        source.look();
        source
    }

    fn look(&mut self) {
        self.next = match self.events.peek() {
            Some((before, record)) if *before <= self.at => Next::Event(since_1970(record.time)),
            _ => match self.lines.get(self.at..).and_then(peek) {
                Some(peek) => Next::Line(Peek { time: peek.time.saturating_add(self.behind), ..peek }),
                None => Next::Nothing,
            },
        };
    }

    /// When the next happened.
    fn time(&self) -> u64 {
        match self.next {
            Next::Event(time) | Next::Line(Peek { time, .. }) => time,
            Next::Nothing => u64::MAX,
        }
    }

    fn take(&mut self, id: u64, redactor: &Redactor) -> Option<Item<'a>> {
        let item = match self.next {
            Next::Event(_) => {
                let (_, record) = self.events.next()?;
                Item::Event(Arc::new(record.into_entry(id, redactor)))
            }
            Next::Line(peek) => {
                let compact = self.lines.get(self.at..self.at + peek.len)?;
                self.at += peek.len;
                Item::Line { compact, peek }
            }
            Next::Nothing => return None,
        };
        self.look();
        Some(item)
    }
}

/// Everything, as it happened; that of one place in the order in which it came. `now` is a moment of the workers.
fn in_order<'a>(taken: &'a mut [Pending], now: u64, next_id: u64, redactor: &Redactor) -> Vec<Item<'a>> {
    let behind = since_1970(SystemTime::now()).saturating_sub(now);
    let most = taken.iter().map(Pending::most).sum();
    let mut sources: Vec<Source<'a>> = taken
        .iter_mut()
        .map(|pending| Source::new(pending, behind))
        .filter(|source| !matches!(source.next, Next::Nothing))
        .collect();
    let mut items = Vec::with_capacity(most);
    while let Some(index) = (0..sources.len()).min_by_key(|index| sources[*index].time()) {
        let source = &mut sources[index];
        items.extend(source.take(next_id + items.len() as u64, redactor));
        if matches!(source.next, Next::Nothing) {
            sources.swap_remove(index);
        }
    }
    items
}

fn keep(shared: &Shared, batch: &[Item<'_>], redactor: &Arc<Redactor>) {
    let mut ring = shared.ring();
    for item in batch {
        match item {
            Item::Event(entry) => ring.push(entry.clone()),
            Item::Line { compact, peek } => ring.push_line(compact, peek.time, peek.level, redactor),
        }
    }
    let newest = ring.next_id() - 1;
    drop(ring);
    shared.tell(newest);
}

/// Hands everything to whom it concerns, a part at a time, so that not all of it is text at once.
fn hand_out(batch: &[Item<'_>], next_id: u64, redactor: &Redactor, writers: &[Writer], taps: &[Tap]) {
    for (part, first) in batch.chunks(BATCH).zip((next_id..).step_by(BATCH)) {
        let entries = part.iter().zip(first..).filter_map(|(item, id)| {
            let stdout = !writers.is_empty() && item.for_stdout();
            let wanted = stdout || taps.iter().any(|tap| item.level() >= tap.level);
            wanted.then(|| item.entry(id, redactor)).flatten().map(|entry| (entry, stdout))
        });
        let entries: Vec<(Arc<Entry>, bool)> = entries.collect();
        for writer in writers {
            writer.write(entries.iter().filter(|(_, stdout)| *stdout).map(|(entry, _)| &**entry));
        }
        for (entry, _) in &entries {
            taps.iter().filter(|tap| entry.level >= tap.level).for_each(|tap| (tap.see)(entry));
        }
    }
}

impl Item<'_> {
    fn level(&self) -> Level {
        match self {
            Self::Event(entry) => entry.level,
            Self::Line { peek, .. } => peek.level,
        }
    }

    fn for_stdout(&self) -> bool {
        match self {
            Self::Event(_) => true,
            Self::Line { peek, .. } => peek.stdout,
        }
    }

    fn entry(&self, id: u64, redactor: &Redactor) -> Option<Arc<Entry>> {
        match self {
            Self::Event(entry) => Some(entry.clone()),
            Self::Line { compact, peek } => {
                let line = Line { time: peek.time, ..Line::decode(compact)? };
                Some(Arc::new(line.into_entry(id, redactor)))
            }
        }
    }
}

fn finish(flush: Flush, writers: &[Writer]) {
    if flush.written && !writers.is_empty() {
        after_all(writers, flush.done);
    } else {
        (flush.done)();
    }
}

/// Calls `done` when every writer has written what it was given before.
fn after_all(writers: &[Writer], done: Done) {
    let last = Arc::new(AtLast(Some(done)));
    for writer in writers {
        let last = last.clone();
        writer.flush(Box::new(move || drop(last)));
    }
}

/// Calls it when the last share of this is dropped.
struct AtLast(Option<Done>);

impl Drop for AtLast {
    fn drop(&mut self) {
        if let Some(done) = take(&mut self.0) {
            done();
        }
    }
}

fn since_1970(time: SystemTime) -> u64 {
    nanos(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}
