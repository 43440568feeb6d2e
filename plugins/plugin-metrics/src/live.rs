//! The live stream: a snapshot at once, then one each interval, until the client leaves, the host drains
//! or the plugin ends.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use buntime_core::{Error, ErrorKind, PluginContext};
use futures_util::{Stream, StreamExt, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    Requests,
    api::take,
    snapshot::{Snapshot, Stats},
};

/// Opens streams, so many at a time.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    requests: Arc<Requests>,
    context: PluginContext,
    every: Duration,
    places: Arc<Semaphore>,
}

/// One open stream.
struct Open {
    live: Live,
    ticks: Interval,
    previous: Option<Snapshot>,
    _place: OwnedSemaphorePermit,
}

impl Live {
    pub(crate) fn new(requests: Arc<Requests>, context: PluginContext, every: Duration, most: u32) -> Self {
        Self { requests, context, every, places: Arc::new(Semaphore::new(most as usize)) }
    }

    /// Opens one; 503 when too many are open.
    pub(crate) fn open(&self) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Error> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::OverCapacity).with_detail("Too many live streams are open").with_retry_after(5)
        })?;
        // Its first tick is at once.
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let open = Open { live: self.clone(), ticks, previous: None, _place: place };
        let draining = self.context.draining().clone().cancelled_owned();
        let ended = self.context.cancelled().clone().cancelled_owned();
        let events = stream::unfold(open, async |mut open| Some((Ok(open.next().await), open)));
        Ok(Sse::new(events.take_until(draining).take_until(ended))
            .keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
    }
}

impl Open {
    async fn next(&mut self) -> Event {
        self.ticks.tick().await;
        let now = take(&self.live.requests, &self.live.context);
        let stats = Stats::of(&now, self.previous.as_ref());
        self.previous = Some(now);
        // These types always serialize; a comment keeps the stream open all the same.
        Event::default().json_data(&stats).unwrap_or_else(|_| Event::default().comment("unavailable"))
    }
}
