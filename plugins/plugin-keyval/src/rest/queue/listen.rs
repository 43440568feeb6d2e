//! Messages as a stream of events, as fast as they come.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::response::{Response, sse::Event};
use buntime_keyval::{Delivery, Namespace, rest::delivery_to_json};
use serde::Deserialize;

use super::{named, take, unsettled::Carrier};
use crate::{
    ops::Op,
    rest::{
        Refused, Rest,
        asked::{limit_up_to, text},
        caller::{Caller, NotFromElsewhere},
        events::{self, Live, Place},
        sent::Asked,
    },
};

/// Messages that a listener has at a time and has not settled, if it does not say.
const SOME: u32 = 32;
const MOST: u32 = 1000;
/// Messages that are leased together.
const TOGETHER: usize = 100;

/// How to listen.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Listen {
    queue: Option<String>,
    lease: Option<String>,
    prefetch: Option<String>,
}

pub(super) async fn listen(
    caller: Caller,
    _: NotFromElsewhere,
    Asked(asked): Asked<Listen>,
) -> Result<Response, Refused> {
    let most = limit_up_to(text(asked.prefetch.as_deref()).as_ref(), SOME, MOST)?;
    let place = events::place(&caller.rest.face)?;
    let Caller { kv, rest } = caller;
    let carrier = rest.face.unsettled.carrier(usize::try_from(most).unwrap_or(1));
    let queue = named(asked.queue)?;
    let live = Listener {
        kv,
        queue,
        lease: take::lease(asked.lease.as_deref())?,
        carrier,
        ready: VecDeque::new(),
        rest,
        _place: place,
    };
    Ok(events::response(live))
}

struct Listener {
    kv: Arc<Namespace>,
    queue: String,
    lease: Duration,
    carrier: Carrier,
    /// Leased and not sent yet.
    ready: VecDeque<Delivery>,
    rest: Rest,
    _place: Place,
}

impl Live for Listener {
    async fn next(&mut self) -> Option<Event> {
        let (alive, stopping) = (tokio::time::sleep(self.rest.face.keep_alive), self.rest.face.stopping.clone());
        tokio::pin!(alive);
        loop {
            let now = self.rest.face.engine.clock().now();
            // What waited here until its lease ended is another's.
            if let Some(delivery) = self.ready.pop_front() {
                if delivery.leased_until <= now {
                    continue;
                }
                let event = Event::default().event("message").data(delivery_to_json(&delivery).to_string());
                return Some(event.id(delivery.id));
            }
            let room = self.carrier.room(now);
            let (kv, ops) = (&self.kv, &self.rest.face.ops);
            let taking = async {
                if room == 0 {
                    if !self.carrier.lighter(now).await {
                        let carried = self.carrier.carried();
                        let still = kv.leased(&carried).await?;
                        self.carrier.keep(carried, &still);
                    }
                    return Ok(Vec::new());
                }
                kv.receive(&self.queue, room.min(TOGETHER), self.lease).await
            };
            tokio::select! {
                taken = taking => match taken {
                    Ok(taken) => {
                        taken.iter().for_each(|one| self.carrier.takes(&one.id, one.leased_until));
                        taken.iter().for_each(|_| ops.count(Op::QueueDequeue, Duration::ZERO, false));
                        self.ready.extend(taken);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a listener ended");
                        return None;
                    }
                },
                () = &mut alive => return Some(events::ping()),
                () = stopping.cancelled() => return None,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // What was leased for this client and never sent goes to another at once.
        let unsent: Vec<Delivery> = self.ready.drain(..).collect();
        if unsent.is_empty() {
            return;
        }
        let kv = self.kv.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = kv.release(&unsent).await {
                    tracing::warn!(%error, "messages of a listener that is gone wait for their lease to end");
                }
            });
        }
    }
}
