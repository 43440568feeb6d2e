//! The bus: what produces entries only leaves them with the intake; one thread, the collector, keeps them in the ring
//! and hands them to the sinks.
//!
//! Offering never waits for a reader and formats nothing. When too much waits the entry is lost and counted.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::sync_channel,
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};

use crate::{
    capture::LogsLayer,
    collector,
    entry::{Entry, Level},
    intake::{Flush, Intake},
    line::Line,
    query::Filter,
    record::Record,
    redact::Redactor,
    ring::{Ring, Stats},
    stdout::{Format, Writer},
    view::View,
};

/// What the ring holds before a plugin instance says otherwise.
const EARLY_ENTRIES: usize = 1000;
const EARLY_BYTES: usize = 2 << 20;
const EARLY_MESSAGE: usize = 8 << 10;

/// Everything that is logged in this process goes through one of these. Cheap to clone; clones share.
#[derive(Clone)]
pub struct LogBus(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) intake: Intake,
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
    redactor: ArcSwap<Redactor>,
    /// Longest message, in bytes.
    longest: AtomicUsize,
    /// Is there a writer?
    writes: AtomicBool,
    sinks: Mutex<Sinks>,
}

#[derive(Default)]
struct Sinks {
    writers: Vec<Writer>,
    taps: Vec<Tap>,
}

/// Sees every entry that is so important or more, on the collector's thread.
#[derive(Clone)]
pub(crate) struct Tap {
    pub(crate) level: Level,
    /// Must not block.
    pub(crate) see: See,
}

pub(crate) type See = Arc<dyn Fn(&Arc<Entry>) + Send + Sync>;

/// Removes a tap when it is dropped.
#[cfg(feature = "otlp")]
pub(crate) struct Tapped {
    bus: LogBus,
    see: See,
}

pub(crate) type Done = Box<dyn FnOnce() + Send + Sync>;

impl LogBus {
    /// A bus of its own, with its own collector, which ends when the last clone is dropped.
    pub fn new() -> Self {
        let shared = Arc::new(Shared {
            intake: Intake::new(),
            ring: Mutex::new(Ring::new(EARLY_ENTRIES, EARLY_BYTES)),
            newest: watch::Sender::new(0),
            redactor: ArcSwap::default(),
            longest: AtomicUsize::new(EARLY_MESSAGE),
            writes: AtomicBool::new(false),
            sinks: Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        let collector = std::thread::Builder::new().name("logs".to_owned());
        // Without a thread every entry is counted as dropped, which is all that can be done.
        if let Ok(thread) = collector.spawn(move || collector::run(&weak)) {
            shared.intake.collected_by(thread.thread().clone());
        }
        Self(shared)
    }

    /// The bus of this process. `tracing` is global, so most programs need no other.
    pub fn global() -> Self {
        static GLOBAL: OnceLock<LogBus> = OnceLock::new();
        GLOBAL.get_or_init(Self::new).clone()
    }

    /// A `tracing` layer that captures every event for the ring and for all other sinks.
    pub fn layer(&self) -> LogsLayer {
        LogsLayer::new(self.clone())
    }

    /// Writes every entry to stdout too, from a thread of its own. What stdout cannot keep up with is lost and counted.
    pub fn write_to_stdout(&self, format: Format) {
        self.write_to(format, std::io::stdout(), std::io::IsTerminal::is_terminal(&std::io::stdout()));
    }

    /// Writes every entry there too, from a thread of its own. `terminal` decides what [`Format::Auto`] means and
    /// whether there are colours.
    pub fn write_to(&self, format: Format, to: impl std::io::Write + Send + 'static, terminal: bool) {
        if let Some(writer) = Writer::start(format, to, terminal) {
            self.sinks().writers.push(writer);
            self.0.writes.store(true, Relaxed);
        }
    }

    /// Adds an entry. False when it was lost because more came than could be kept up with.
    pub fn add(&self, record: Record) -> bool {
        self.0.intake.event(record)
    }

    /// Adds an access line, at a [`LogBus::moment`]. Allocates nothing, but for room that is kept.
    pub(crate) fn line(&self, line: &Line<'_>) {
        // What is lost is counted.
        self.0.intake.line(line);
    }

    /// That time, as access lines have it when they are added.
    pub(crate) fn moment(&self, at: Instant) -> u64 {
        self.0.intake.moment(at)
    }

    /// Is anything written to stdout?
    pub(crate) fn writes(&self) -> bool {
        self.0.writes.load(Relaxed)
    }

    /// The entries a filter lets through, newest first, at most its limit. Looks at the whole ring: not for the way of
    /// a request.
    pub fn query(&self, filter: &Filter) -> Vec<Arc<Entry>> {
        let view = self.after(0, usize::MAX);
        let matching = (0..view.len()).rev().filter(|index| view.matches(*index, filter)).take(filter.most());
        matching.filter_map(|index| view.entry(index)).collect()
    }

    /// The id of the oldest entry that a query with that filter finds.
    pub(crate) fn oldest(&self, filter: &Filter) -> Option<u64> {
        let view = self.after(0, usize::MAX);
        let matching = (0..view.len()).rev().filter(|index| view.matches(*index, filter)).take(filter.most());
        matching.last().map(|index| view.id(index))
    }

    /// Figures about what is held and what was lost.
    pub fn stats(&self) -> Stats {
        let stdout_dropped = self.sinks().writers.iter().map(Writer::dropped).sum();
        self.ring().stats(self.0.intake.dropped(), stdout_dropped)
    }

    /// Forgets every entry. Ids go on.
    pub fn clear(&self) {
        self.ring().clear();
    }

    /// Waits until everything offered before has reached the ring.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.0.intake.flush(Flush { written: false, done: Box::new(move || _ = done.send(())) });
        // An error means that the collector is gone, and nothing more will come.
        let _ = flushed.await;
    }

    /// Waits until everything offered before has been written to stdout, for at most `limit`; not at all when stdout
    /// does not keep up. For the end of a program: it blocks the thread.
    pub fn flush_blocking(&self, limit: Duration) {
        let (done, flushed) = sync_channel::<()>(1);
        self.0.intake.flush(Flush { written: true, done: Box::new(move || _ = done.try_send(())) });
        // An error means that time is up, or nobody is left to wait for.
        let _ = flushed.recv_timeout(limit);
    }

    /// The longest message, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.0.longest.load(Relaxed)
    }

    pub(crate) fn configure(&self, max_entries: usize, max_bytes: usize, longest: usize, redactor: Arc<Redactor>) {
        self.0.redactor.store(redactor);
        self.0.longest.store(longest, Relaxed);
        self.ring().limit(max_entries, max_bytes);
    }

    /// At most `most` entries after an id.
    pub(crate) fn after(&self, id: u64, most: usize) -> View {
        let redactor = self.0.redactor();
        self.ring().view(id, most, redactor)
    }

    /// The id of the newest entry.
    pub(crate) fn newest(&self) -> u64 {
        self.ring().next_id().saturating_sub(1)
    }

    /// Told when there are new entries.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn tap(&self, level: Level, see: See) -> Tapped {
        self.sinks().taps.push(Tap { level, see: see.clone() });
        Tapped { bus: self.clone(), see }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring()
    }

    fn sinks(&self) -> MutexGuard<'_, Sinks> {
        self.0.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LogBus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LogBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogBus")
    }
}

impl Shared {
    pub(crate) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn redactor(&self) -> Arc<Redactor> {
        self.redactor.load_full()
    }

    /// The sinks as they are now.
    pub(crate) fn outputs(&self) -> (Vec<Writer>, Vec<Tap>) {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        (sinks.writers.clone(), sinks.taps.clone())
    }

    /// Tells those that wait for new entries.
    pub(crate) fn tell(&self, newest: u64) {
        self.newest.send_replace(newest);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // So that it ends.
        self.intake.wake();
    }
}

#[cfg(feature = "otlp")]
impl Drop for Tapped {
    fn drop(&mut self) {
        self.bus.sinks().taps.retain(|tap| !Arc::ptr_eq(&tap.see, &self.see));
    }
}
