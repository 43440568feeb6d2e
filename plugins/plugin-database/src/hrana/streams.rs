//! The streams that are open, each known by a baton: a text that cannot be guessed, good for one request, whose answer
//! brings the next. A stream that nothing is asked of for too long is ended.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{spares::Spares, stream::Stream, wrong::Wrong};
use crate::{figures::Figures, target::Target};

type Id = [u8; 16];

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Mutex<Table>,
    free: Arc<Semaphore>,
    most: usize,
    idle: Duration,
    spares: Spares,
    figures: Arc<Figures>,
    parked: Notify,
}

#[derive(Debug, Default)]
struct Table {
    streams: HashMap<Id, Place>,
    closed: bool,
}

#[derive(Debug)]
struct Place {
    /// What the next baton must say.
    next: Id,
    /// `None`: it is being asked something.
    parked: Option<(Box<Stream>, Instant)>,
}

impl Streams {
    /// At most so many; each is ended when nothing is asked of it for so long.
    pub(crate) fn new(most: usize, idle: Duration, figures: Arc<Figures>) -> Self {
        let free = Arc::new(Semaphore::new(most));
        let spares = Spares::new(idle);
        Self(Arc::new(Inner { places: Mutex::default(), free, most, idle, spares, figures, parked: Notify::new() }))
    }

    /// How many are open.
    pub(crate) fn open_now(&self) -> usize {
        self.0.lock().streams.len()
    }

    /// Opens one.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub(super) fn open(&self, target: Target) -> Result<Lease, Wrong> {
        let Ok(place) = Arc::clone(&self.0.free).try_acquire_owned() else {
            let what = format!("all {} streams are open (maxStreams); close one", self.0.most);
            return Err(Wrong::new("TOO_MANY_STREAMS", what));
        };
        let (id, next) = (random()?, random()?);
        let mut table = self.0.lock();
        if table.closed {
            return Err(Wrong::new("STREAM_CLOSED", "the server takes no more streams"));
        }
        table.streams.insert(id, Place { next, parked: None });
        drop(table);
        let stream = Stream::new(target, self.0.spares.clone(), Arc::clone(&self.0.figures), place);
        Ok(Lease { streams: self.clone(), id, next, stream: Some(Box::new(stream)) })
    }

    /// The one of that baton, which is used up by it.
    ///
    /// # Errors
    /// There is none, it was used before, or the stream is of another database.
    pub(super) fn take(&self, baton: &str, target: &Target) -> Result<Lease, Wrong> {
        let (id, said) = read(baton)?;
        let next = random()?;
        let mut table = self.0.lock();
        let Some(place) = table.streams.get_mut(&id) else {
            let what = "there is no such stream any more: it was closed, or nothing was asked of it for too long; what it had \
                        begun was rolled back";
            return Err(Wrong::new("STREAM_EXPIRED", what));
        };
        if !bool::from(place.next.ct_eq(&said)) {
            return Err(Wrong::new("BATON_REUSED", "the baton was used before; use the one of the last answer"));
        }
        let Some((stream, until)) = place.parked.take() else {
            return Err(Wrong::new("STREAM_BUSY", "the stream is not done with what was asked before"));
        };
        if !stream.target.is(target) {
            place.parked = Some((stream, until));
            return Err(Wrong::new("BATON_INVALID", "the baton is of a stream to another database"));
        }
        place.next = next;
        drop(table);
        Ok(Lease { streams: self.clone(), id, next, stream: Some(stream) })
    }

    /// Ends those that nothing is asked of, until the plugin ends, and then all.
    pub(crate) async fn watch(self, cancelled: CancellationToken) {
        loop {
            let next = self.0.expire(Instant::now());
            let due = async {
                match next {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => self.0.parked.notified().await,
                }
            };
            tokio::select! {
                () = cancelled.cancelled() => break,
                () = due => {}
            }
        }
        let mut table = self.0.lock();
        table.closed = true;
        let all = std::mem::take(&mut table.streams);
        drop(table);
        drop(all);
        self.0.spares.clear();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends those whose time is up; when the next one's is.
    fn expire(&self, now: Instant) -> Option<Instant> {
        let mut table = self.lock();
        let over = |place: &Place| place.parked.as_ref().is_some_and(|(_, until)| *until <= now);
        let gone: Vec<Place> = table.streams.extract_if(|_, place| over(place)).map(|(_, place)| place).collect();
        let next = table.streams.values().filter_map(|place| place.parked.as_ref().map(|(_, until)| *until)).min();
        drop(table);
        if !gone.is_empty() {
            tracing::debug!(streams = gone.len(), "streams that nothing was asked of are ended");
        }
        [next, self.spares.expire(now)].into_iter().flatten().min()
    }
}

/// A stream that is being asked something. Dropped without being [parked](Lease::park), it is ended.
pub(super) struct Lease {
    streams: Streams,
    id: Id,
    next: Id,
    /// `Some` until it is parked.
    stream: Option<Box<Stream>>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl Lease {
    /// The stream.
    pub(super) fn stream(&mut self) -> Option<&mut Stream> {
        self.stream.as_deref_mut()
    }

    /// What the next request must bring.
    pub(super) fn baton(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.id, self.next].concat())
    }

    /// Keeps it for the next request. One that has ended is not kept; then there is no baton.
    pub(super) fn park(mut self) -> Option<String> {
        let inner = Arc::clone(&self.streams.0);
        let baton = self.put(&inner);
        // The time of something is running: of the stream, or of the connection it has left.
        inner.parked.notify_one();
        baton
    }

    fn put(&mut self, inner: &Inner) -> Option<String> {
        let stream = self.stream.take().filter(|stream| !stream.has_ended())?;
        let mut table = inner.lock();
        let place = table.streams.get_mut(&self.id)?;
        place.parked = Some((stream, Instant::now() + inner.idle));
        Some(self.baton())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut table = self.streams.0.lock();
        if table.streams.get(&self.id).is_some_and(|place| place.parked.is_none()) {
            table.streams.remove(&self.id);
        }
    }
}

fn random() -> Result<Id, Wrong> {
    let mut id = Id::default();
    rand::fill(&mut id).map_err(|_| Wrong::new("INTERNAL_ERROR", "no stream can be opened now"))?;
    Ok(id)
}

fn read(baton: &str) -> Result<(Id, Id), Wrong> {
    let invalid = || Wrong::new("BATON_INVALID", "this is no baton");
    let bytes = URL_SAFE_NO_PAD.decode(baton).map_err(|_| invalid())?;
    let (id, next) = bytes.split_at_checked(16).ok_or_else(invalid)?;
    Ok((id.try_into().map_err(|_| invalid())?, next.try_into().map_err(|_| invalid())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_database::sqlite::{Options, Sqlite};

    async fn target() -> Target {
        let adapter = Arc::new(Sqlite::open(Options::memory()).await.unwrap());
        Target { adapter, tenant: None }
    }

    fn code(result: Result<Lease, Wrong>) -> &'static str {
        result.err().map_or("none", |wrong| wrong.told().code)
    }

    #[tokio::test]
    async fn a_baton_is_good_for_one_request() {
        let (streams, target) = (Streams::new(1, Duration::from_secs(10), Arc::new(Figures::new())), target().await);
        let lease = streams.open(target.clone()).unwrap();
        assert_eq!(code(streams.open(target.clone())), "TOO_MANY_STREAMS");
        let first = lease.park().unwrap();
        let lease = streams.take(&first, &target).unwrap();
        assert_eq!(code(streams.take(&lease.baton(), &target)), "STREAM_BUSY");
        assert_eq!(code(streams.take(&first, &target)), "BATON_REUSED");
        let second = lease.park().unwrap();
        assert_ne!(first, second);
        assert_eq!(code(streams.take(&first, &target)), "BATON_REUSED");
        drop(streams.take(&second, &target).unwrap());
        assert_eq!(code(streams.take(&second, &target)), "STREAM_EXPIRED", "what is dropped is ended");
        for wrong in ["", "x", "AAAA", &"A".repeat(43), &"A".repeat(200)] {
            assert!(matches!(code(streams.take(wrong, &target)), "BATON_INVALID" | "STREAM_EXPIRED"), "{wrong}");
        }
        // There is place for another again.
        streams.open(target).unwrap();
    }

    #[tokio::test]
    async fn those_that_nothing_is_asked_of_are_ended() {
        let (streams, target) = (Streams::new(2, Duration::from_secs(10), Arc::new(Figures::new())), target().await);
        let cancelled = CancellationToken::new();
        let watch = tokio::spawn(streams.clone().watch(cancelled.clone()));
        let baton = streams.open(target.clone()).unwrap().park().unwrap();
        let busy = streams.open(target.clone()).unwrap();
        assert!(streams.0.expire(Instant::now() + Duration::from_secs(9)).is_some());
        assert!(streams.0.expire(Instant::now() + Duration::from_secs(11)).is_none());
        assert_eq!(code(streams.take(&baton, &target)), "STREAM_EXPIRED");
        let kept = busy.park().unwrap();
        cancelled.cancel();
        watch.await.unwrap();
        assert_eq!(code(streams.take(&kept, &target)), "STREAM_EXPIRED");
        assert_eq!(code(streams.open(target)), "STREAM_CLOSED");
    }
}
