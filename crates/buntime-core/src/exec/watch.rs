//! Watches one hook call: its time limit, its panics, the time spent polling it. One clock read for each hook, one
//! timer for the whole exchange, armed only for hooks that are not ready at once.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use tokio::time::Sleep;

use crate::{exec::Bits, step::BoxFuture};

/// Times the hooks of one exchange.
#[derive(Debug)]
pub(crate) struct Pulse {
    timer: Option<Pin<Box<Sleep>>>,
    last: Instant,
    /// Time has gone by since that was no hook's.
    is_stale: bool,
    pub(crate) measured: bool,
    /// The links that entered as probes of their breakers and have not failed.
    pub(crate) probes: Bits,
}

/// How a watched future ended.
pub(crate) enum Watched<T> {
    Finished(T),
    TimedOut,
    Panicked(String),
}

impl Pulse {
    pub(crate) fn new(now: Instant, measured: bool) -> Self {
        Self { timer: None, last: now, is_stale: false, measured, probes: Bits::default() }
    }

    /// A hook is about to be called.
    pub(crate) fn begin(&mut self) {
        if self.is_stale && self.measured {
            self.last = Instant::now();
        }
        self.is_stale = false;
    }

    /// The time since the last call of this: what the hook that just ended took.
    pub(crate) fn lap(&mut self) -> Duration {
        if !self.measured {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let took = now.saturating_duration_since(self.last);
        self.last = now;
        took
    }

    /// When the last lap ended.
    pub(crate) fn ended(&self) -> Instant {
        self.last
    }

    /// Forgets the time until the next hook is called: it is no hook's.
    pub(crate) fn skip(&mut self) {
        self.is_stale = true;
    }

    /// Forgets the time since: it was no hook's, and this is the time now.
    pub(crate) fn skip_to(&mut self, now: Instant) {
        self.last = now;
        self.is_stale = false;
    }

    /// Awaits the future, for at most `limit`. Returns the time spent polling it too.
    pub(crate) async fn watch<T>(
        &mut self,
        future: BoxFuture<'_, T>,
        limit: Option<Duration>,
    ) -> (Watched<T>, Duration) {
        let measured = self.measured;
        self.watch_for(future, limit, measured).await
    }

    /// The same, without the time: what is no hook is not measured.
    pub(crate) async fn wait<T>(&mut self, future: BoxFuture<'_, T>, limit: Option<Duration>) -> Watched<T> {
        self.watch_for(future, limit, false).await.0
    }

    async fn watch_for<T>(
        &mut self,
        mut future: BoxFuture<'_, T>,
        limit: Option<Duration>,
        measured: bool,
    ) -> (Watched<T>, Duration) {
        let mut busy = Duration::ZERO;
        let mut armed = false;
        let timer = &mut self.timer;
        let result = poll_fn(|task| {
            let begun = measured.then(Instant::now);
            let polled = caught(|| future.as_mut().poll(task));
            busy += begun.map_or(Duration::ZERO, |begun| begun.elapsed());
            match polled {
                Ok(Poll::Ready(value)) => return Poll::Ready(Watched::Finished(value)),
                Err(text) => return Poll::Ready(Watched::Panicked(text)),
                Ok(Poll::Pending) => {}
            }
            let Some(limit) = limit else { return Poll::Pending };
            let until = tokio::time::Instant::now() + limit;
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            if !armed {
                timer.as_mut().reset(until);
                armed = true;
            }
            timer.as_mut().poll(task).map(|()| Watched::TimedOut)
        })
        .await;
        (result, busy)
    }
}

/// Calls it; a panic comes back as its text.
pub(crate) fn caught<R>(call: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| panic_text(&*panic))
}

/// What a panic said. For the log only.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without text".to_owned()
    }
}
