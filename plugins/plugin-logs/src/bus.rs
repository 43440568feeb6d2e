//! The bus: what produces entries only offers them to a bounded queue; one thread, the collector, redacts them, keeps
//! them in the ring and hands them to the sinks.
//!
//! Offering never blocks and formats nothing. When the queue is full the entry is lost and counted.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};

use crate::{
    capture::LogsLayer,
    collector,
    entry::Entry,
    query::Filter,
    record::{Exchange, Record},
    redact::Redactor,
    ring::{After, Ring, Stats},
    stdout::{Format, Writer},
};

/// Entries that may wait for the collector.
const QUEUE: usize = 4096;
/// What the ring holds before a plugin instance says otherwise.
const EARLY_ENTRIES: usize = 1000;
const EARLY_BYTES: usize = 2 << 20;
const EARLY_MESSAGE: usize = 8 << 10;

/// Everything that is logged in this process goes through one of these. Cheap to clone; clones share.
#[derive(Clone)]
pub struct LogBus(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    queue: SyncSender<Message>,
    pub(crate) ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
    redactor: ArcSwap<Redactor>,
    /// Longest message, in bytes.
    longest: AtomicUsize,
    dropped: AtomicU64,
    sinks: Mutex<Sinks>,
}

#[derive(Default)]
struct Sinks {
    writers: Vec<Writer>,
    taps: Vec<Tap>,
}

/// Sees every entry on the collector's thread; must not block.
pub(crate) type Tap = Arc<dyn Fn(&Arc<Entry>) + Send + Sync>;

/// Removes a tap when it is dropped.
#[cfg(feature = "otlp")]
pub(crate) struct Tapped {
    bus: LogBus,
    tap: Tap,
}

/// What the collector is told.
#[expect(clippy::large_enum_variant, reason = "exchanges are most of them: without a box none is allocated")]
pub(crate) enum Message {
    Event(Box<Record>),
    Exchange(Exchange),
    /// Everything before it has been seen to; `written` when also written to stdout.
    Flush {
        written: bool,
        done: Done,
    },
}

pub(crate) type Done = Box<dyn FnOnce() + Send + Sync>;

impl LogBus {
    /// A bus of its own, with its own collector, which ends when the last clone is dropped.
    pub fn new() -> Self {
        let (queue, messages) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            queue,
            ring: Mutex::new(Ring::new(EARLY_ENTRIES, EARLY_BYTES)),
            newest: watch::Sender::new(0),
            redactor: ArcSwap::default(),
            longest: AtomicUsize::new(EARLY_MESSAGE),
            dropped: AtomicU64::new(0),
            sinks: Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        let collector = std::thread::Builder::new().name("logs".to_owned());
        // Without a thread every entry is counted as dropped, which is all that can be done.
        drop(collector.spawn(move || collector::run(&messages, &weak)));
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
        }
    }

    /// Adds an entry. False when it was lost because more came than could be kept up with.
    pub fn add(&self, record: Record) -> bool {
        self.offer(Message::Event(Box::new(record)))
    }

    pub(crate) fn exchange(&self, exchange: Exchange) {
        self.offer(Message::Exchange(exchange));
    }

    fn offer(&self, message: Message) -> bool {
        let taken = self.0.queue.try_send(message).is_ok();
        if !taken {
            self.0.dropped.fetch_add(1, Relaxed);
        }
        taken
    }

    /// The entries a filter lets through, newest first, at most its limit. Looks at the whole ring: not for the way of
    /// a request.
    pub fn query(&self, filter: &Filter) -> Vec<Arc<Entry>> {
        let all = self.ring().all();
        all.into_iter().rev().filter(|entry| filter.matches(entry)).take(filter.most()).collect()
    }

    /// Figures about what is held and what was lost.
    pub fn stats(&self) -> Stats {
        let stdout_dropped = self.sinks().writers.iter().map(Writer::dropped).sum();
        self.ring().stats(self.0.dropped.load(Relaxed), stdout_dropped)
    }

    /// Forgets every entry. Ids go on.
    pub fn clear(&self) {
        self.ring().clear();
    }

    /// Waits until everything offered before has reached the ring.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        let mut message = Message::Flush { written: false, done: Box::new(move || _ = done.send(())) };
        while let Err(error) = self.0.queue.try_send(message) {
            match error {
                TrySendError::Full(back) => message = back,
                TrySendError::Disconnected(_) => return,
            }
            tokio::time::sleep(collector::PAUSE).await;
        }
        // An error means that the collector is gone, and nothing more will come.
        let _ = flushed.await;
    }

    /// Waits until everything offered before has been written to stdout, for at most `limit`; not at all when stdout
    /// does not keep up. For the end of a program: it blocks the thread.
    pub fn flush_blocking(&self, limit: Duration) {
        let (done, flushed) = sync_channel::<()>(1);
        let done = Box::new(move || _ = done.try_send(()));
        let end = Instant::now() + limit;
        let mut message = Message::Flush { written: true, done };
        while let Err(error) = self.0.queue.try_send(message) {
            match error {
                TrySendError::Full(back) if Instant::now() < end => message = back,
                TrySendError::Full(_) | TrySendError::Disconnected(_) => return,
            }
            collector::pause();
        }
        // An error means that time is up, or nobody is left to wait for.
        let _ = flushed.recv_timeout(end.saturating_duration_since(Instant::now()));
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

    /// Entries after an id, and whether some were lost.
    pub(crate) fn after(&self, id: u64, most: usize) -> After {
        self.ring().after(id, most)
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
    pub(crate) fn tap(&self, tap: Tap) -> Tapped {
        self.sinks().taps.push(tap.clone());
        Tapped { bus: self.clone(), tap }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(feature = "otlp")]
impl Drop for Tapped {
    fn drop(&mut self) {
        self.bus.sinks().taps.retain(|tap| !Arc::ptr_eq(tap, &self.tap));
    }
}
