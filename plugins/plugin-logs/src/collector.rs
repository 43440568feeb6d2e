//! The collector: the one thread that makes entries of what was offered and hands them to the ring and the sinks.
//!
//! It works in batches with a short pause between them, so that producers seldom have to wake it.

use std::{
    sync::{Arc, PoisonError, Weak, mpsc::Receiver},
    time::Duration,
};

use crate::{
    bus::{Done, Message, Shared},
    entry::Entry,
    redact::Redactor,
    stdout::Writer,
};

/// Between two batches.
pub(crate) const PAUSE: Duration = Duration::from_millis(2);
/// Messages of one batch.
const BATCH: usize = 512;

pub(crate) fn run(messages: &Receiver<Message>, shared: &Weak<Shared>) {
    while let Ok(first) = messages.recv() {
        let Some(shared) = shared.upgrade() else { return };
        let batch: Vec<Message> = std::iter::once(first).chain(messages.try_iter().take(BATCH - 1)).collect();
        let full = batch.len() == BATCH;
        // A panic here would end all logging; the batch is lost instead. No words: this is where words go.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| collect(&shared, batch)));
        drop(shared);
        if !full {
            pause();
        }
    }
}

/// On threads that serve no requests.
#[expect(clippy::disallowed_methods, reason = "it is never called on a worker of the runtime")]
pub(crate) fn pause() {
    std::thread::sleep(PAUSE);
}

fn collect(shared: &Shared, batch: Vec<Message>) {
    let redactor = shared.redactor();
    let mut id = shared.ring.lock().unwrap_or_else(PoisonError::into_inner).next_id();
    let mut entries = Vec::with_capacity(batch.len());
    let mut flushes = Vec::new();
    for message in batch {
        match message {
            Message::Flush { written, done } => flushes.push((written, done)),
            Message::Event(_) | Message::Exchange(_) => {
                entries.extend(entry(message, id, &redactor));
                id += 1;
            }
        }
    }
    hand_out(shared, &entries, flushes);
}

/// An entry, and whether it goes to stdout.
fn entry(message: Message, id: u64, redactor: &Redactor) -> Option<(Arc<Entry>, bool)> {
    match message {
        Message::Event(record) => Some((Arc::new(record.into_entry(id, redactor)), true)),
        Message::Exchange(exchange) => {
            let stdout = exchange.stdout;
            Some((Arc::new(exchange.into_entry(id, redactor)), stdout))
        }
        Message::Flush { .. } => None,
    }
}

fn hand_out(shared: &Shared, entries: &[(Arc<Entry>, bool)], flushes: Vec<(bool, Done)>) {
    let (writers, taps) = shared.outputs();
    if let Some((newest, _)) = entries.last() {
        let mut ring = shared.ring.lock().unwrap_or_else(PoisonError::into_inner);
        for (entry, _) in entries {
            ring.push(entry.clone());
        }
        drop(ring);
        shared.tell(newest.id);
        for writer in &writers {
            writer.write(entries.iter().filter(|(_, stdout)| *stdout).map(|(entry, _)| &**entry));
        }
        for (entry, _) in entries {
            taps.iter().for_each(|tap| tap(entry));
        }
    }
    for (written, done) in flushes {
        match writers.as_slice() {
            [] => done(),
            _ if !written => done(),
            writers => after_all(writers, done),
        }
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
        if let Some(done) = self.0.take() {
            done();
        }
    }
}
