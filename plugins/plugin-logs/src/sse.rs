//! The live stream: server-sent events that can be resumed.
//!
//! A stream keeps no entries of its own: it remembers the last id it has sent and reads on from the ring. A client
//! that is too slow, or was away too long, finds a gap and is told so with an event `gap`.

use std::{collections::VecDeque, convert::Infallible};

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    api::Api,
    bus::LogBus,
    query::{Filter, MOST},
};

/// Entries taken from the ring at a time.
const BATCH: usize = 256;

/// Reads `Last-Event-ID`.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, String> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    id.map(Some).ok_or_else(|| "`Last-Event-ID` is the number of an event of this stream".to_owned())
}

/// A stream that is told of new entries until the client leaves or the plugin stops.
struct Live {
    bus: LogBus,
    filter: Filter,
    /// The last id that was sent or passed over.
    last: u64,
    ready: VecDeque<Event>,
    news: watch::Receiver<u64>,
    stopping: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

pub(crate) fn response(api: &Api, filter: Filter, last: Option<u64>, permit: OwnedSemaphorePermit) -> Response {
    let mut live = Live {
        bus: api.bus.clone(),
        news: api.bus.watch(),
        last: 0,
        ready: VecDeque::new(),
        stopping: api.stopping.clone(),
        filter,
        _permit: permit,
    };
    live.begin(last);
    let events =
        stream::unfold(
            live,
            |mut live| async move { live.next().await.map(|event| (Ok::<_, Infallible>(event), live)) },
        );
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(api.keep_alive)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that buffer would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Live {
    /// Where it starts: after the last event the client has seen, else with the entries `limit` or `since` ask for,
    /// else with what comes next.
    fn begin(&mut self, last: Option<u64>) {
        let newest = self.bus.newest();
        self.last = match last {
            Some(last) if last > newest => {
                self.gap(last, newest + 1);
                newest
            }
            Some(last) => last,
            None if self.filter.limit.is_none() && self.filter.since.is_none() => newest,
            None => {
                let limit = self.filter.limit.unwrap_or(MOST);
                let oldest = self.bus.oldest(&Filter { limit: Some(limit), ..self.filter.clone() });
                oldest.map_or(newest, |oldest| oldest - 1)
            }
        };
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.stopping.is_cancelled() {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            // Before reading, so that what comes meanwhile is not missed.
            self.news.mark_unchanged();
            if self.read() {
                continue;
            }
            tokio::select! {
                () = self.stopping.cancelled() => return None,
                changed = self.news.changed() => changed.ok()?,
            }
        }
    }

    /// Takes the next entries; false when there are none.
    fn read(&mut self) -> bool {
        let view = self.bus.after(self.last, BATCH);
        let gap = view.gap(self.last);
        if let Some(first) = gap {
            self.gap(self.last, first);
            self.last = first - 1;
        }
        self.last = view.last().unwrap_or(self.last);
        let shown = (0..view.len()).filter(|index| view.matches(*index, &self.filter));
        self.ready.extend(shown.filter_map(|index| {
            let entry = view.entry(index)?;
            let data = serde_json::to_string(&*entry).ok()?;
            Some(Event::default().id(entry.id.to_string()).data(data))
        }));
        gap.is_some() || view.len() > 0
    }

    /// Says that what was between `after` and `next` is lost.
    fn gap(&mut self, after: u64, next: u64) {
        let data = json!({ "after": after, "next": next }).to_string();
        self.ready.push_back(Event::default().event("gap").id((next - 1).to_string()).data(data));
    }
}
