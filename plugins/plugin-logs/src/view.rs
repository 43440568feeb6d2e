//! What a reader sees of the ring: some entries as they were when it asked. Access lines become entries here, and here
//! their secrets go.
//!
//! A line is redacted with the settings it was written under and, when they have changed since, with the present ones
//! too: neither taking a name out of `redact` nor putting one in shows what was or is a secret.

use std::sync::Arc;

use crate::{
    entry::Entry,
    line::Line,
    query::{Facts, Filter},
    redact::Redactor,
    ring::Slot,
    segments::{At, Shown},
};

#[derive(Debug)]
pub(crate) struct View {
    /// The id of the first.
    first: u64,
    slots: Vec<Slot>,
    lines: Shown,
    redactor: Arc<Redactor>,
}

impl View {
    pub(crate) fn new(first: u64, slots: Vec<Slot>, lines: Shown, redactor: Arc<Redactor>) -> Self {
        Self { first, slots, lines, redactor }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The id of one of them.
    pub(crate) fn id(&self, index: usize) -> u64 {
        self.first + index as u64
    }

    /// The id of the last.
    pub(crate) fn last(&self) -> Option<u64> {
        self.len().checked_sub(1).map(|last| self.id(last))
    }

    /// The first id that is not lost, when some after `id` were.
    pub(crate) fn gap(&self, id: u64) -> Option<u64> {
        (self.first > id.saturating_add(1)).then_some(self.first)
    }

    /// One of them. `None` past the end.
    pub(crate) fn entry(&self, index: usize) -> Option<Arc<Entry>> {
        match self.slots.get(index)? {
            Slot::Event(entry) => Some(entry.clone()),
            Slot::Line { at, .. } => self.access(index, *at).map(Arc::new),
        }
    }

    /// Does the filter let it through? An access line becomes an entry for that only when its text is searched.
    pub(crate) fn matches(&self, index: usize, filter: &Filter) -> bool {
        match self.slots.get(index) {
            Some(Slot::Event(entry)) => filter.matches(entry),
            Some(Slot::Line { at, .. }) => {
                let admitted = self.lines.line(*at).is_some_and(|(line, _)| filter.admits(&facts(&line)));
                admitted
                    && (filter.search.is_none() || self.access(index, *at).is_some_and(|entry| filter.matches(&entry)))
            }
            None => false,
        }
    }

    fn access(&self, index: usize, at: At) -> Option<Entry> {
        let (line, written_under) = self.lines.line(at)?;
        let mut entry = line.into_entry(self.id(index), written_under);
        if !Arc::ptr_eq(written_under, &self.redactor) {
            entry.redact(&self.redactor);
        }
        Some(entry)
    }
}

fn facts<'a>(line: &Line<'a>) -> Facts<'a> {
    Facts {
        level: line.level(),
        time: line.happened(),
        status: Some(line.status),
        request_id: line.request_id(),
        plugin: line.plugin(),
    }
}
