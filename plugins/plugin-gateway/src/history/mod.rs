//! The history: a sample of the figures at each interval, the last so many of them, for charts.
//!
//! They are kept in memory, and in the default database where there is one, so that a restart keeps them: rows of this
//! node, written every few seconds, no more than are kept. A crash loses what was not written yet. While the database is
//! away sampling goes on in memory, and what still matters is written when it is back.

mod book;
mod sample;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use buntime_core::{BoxError, PluginContext};
use buntime_database::Adapter;
use tokio::{sync::Mutex as Turn, time::MissedTickBehavior};

use self::{book::Book, sample::Totals};
use crate::{config::HistorySettings, desk::Desk};

pub(crate) use self::sample::Sample;

/// How often samples are written.
const WRITTEN: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Default)]
pub(crate) struct History {
    samples: Mutex<VecDeque<Sample>>,
    /// Those that are yet to be written, if there is a book.
    unwritten: Mutex<VecDeque<Sample>>,
    most: AtomicUsize,
    /// What there was in all at the last sample, whoever took it.
    before: Mutex<Totals>,
    /// Whoever has it samples: one instance at a time.
    lead: Turn<()>,
    book: Turn<Option<Book>>,
}

impl History {
    fn samples(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last so many, the oldest first.
    pub(crate) fn last(&self, most: usize) -> Vec<Sample> {
        let samples = self.samples();
        samples.iter().skip(samples.len().saturating_sub(most)).cloned().collect()
    }

    /// How many are kept at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Relaxed)
    }

    fn keep(&self, queue: &Mutex<VecDeque<Sample>>, sample: Sample) {
        let mut samples = queue.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back(sample);
        while samples.len() > self.most() {
            samples.pop_front();
        }
    }

    /// Forgets all, in the database too; says how many there were in memory.
    ///
    /// # Errors
    /// If the database cannot be written; nothing is forgotten then.
    pub(crate) async fn clear(&self) -> Result<usize, BoxError> {
        if let Some(book) = &mut *self.book.lock().await {
            book.clear().await?;
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(std::mem::take(&mut *self.samples()).len())
    }

    /// Samples until the instance ends, once the one before has.
    pub(crate) async fn sample(
        &self,
        context: &PluginContext,
        desk: &Desk,
        settings: &HistorySettings,
        database: Option<Arc<dyn Adapter>>,
    ) {
        let _lead = tokio::select! {
            () = context.cancelled().cancelled() => return,
            lead = self.lead.lock() => lead,
        };
        self.most.store(settings.samples(), Relaxed);
        let is_kept = database.is_some();
        *self.book.lock().await = database.map(|database| Book::new(database, context, settings.samples()));
        // Apart: a database that takes its time does not hold samples up.
        tokio::join!(self.take(context, desk, settings.interval(), is_kept), self.keep_writing(context));
        self.write().await;
    }

    async fn take(&self, context: &PluginContext, desk: &Desk, interval: Duration, is_kept: bool) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // The first is at once, and has seen nothing.
        ticks.tick().await;
        loop {
            tokio::select! {
                () = context.cancelled().cancelled() => return,
                _ = ticks.tick() => {}
            }
            let now = Totals::of(desk);
            let before =
                std::mem::replace(&mut *self.before.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
            let sample = Sample::between(&before, &now, context.clock().wall());
            if is_kept {
                self.keep(&self.unwritten, sample.clone());
            }
            self.keep(&self.samples, sample);
        }
    }

    async fn keep_writing(&self, context: &PluginContext) {
        let mut writes = tokio::time::interval(WRITTEN);
        writes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = context.cancelled().cancelled() => return,
                _ = writes.tick() => self.write().await,
            }
        }
    }

    /// Writes what is new. The first time it reads what an earlier run has left.
    async fn write(&self) {
        let mut book = self.book.lock().await;
        let Some(book) = &mut *book else { return };
        if let Some(earlier) = book.write(&self.unwritten).await {
            let mut samples = self.samples();
            if samples.front().is_none_or(|first| earlier.last().is_some_and(|last| last.at < first.at)) {
                let room = self.most().saturating_sub(samples.len());
                for sample in earlier.into_iter().rev().take(room) {
                    samples.push_front(sample);
                }
            }
        }
    }
}
