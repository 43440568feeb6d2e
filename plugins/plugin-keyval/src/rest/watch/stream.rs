//! Events out of what watches tell.

use std::{collections::VecDeque, ops::Not};

use axum::response::sse::Event;
use buntime_keyval::{Entry, Key, Result, rest::EntryJson};
use serde::Serialize;

use crate::rest::{
    Rest,
    events::{self, Live, Place},
};

/// Bytes of one event, or little more: clients like the original's lose an event that does not come in one piece.
const PIECE: usize = 16 << 10;

/// A watch of some kind.
pub(super) trait Source: Send + 'static {
    /// Waits for what is to be told. Nothing is lost when this is dropped while it waits.
    fn next(&mut self) -> impl Future<Output = Result<News>> + Send;

    /// How far it has told, for clients that come back.
    fn place(&self) -> String;
}

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) entries: Vec<(Key, Option<Entry>)>,
    /// What was told before is void.
    pub(super) reset: bool,
}

/// A watch as a stream.
pub(super) struct Stream<S> {
    pub(super) source: S,
    pub(super) rest: Rest,
    /// Entries of one event.
    pub(super) most: usize,
    /// Did the client see something before, here or on another stream?
    pub(super) known: bool,
    pub(super) ready: VecDeque<Event>,
    pub(super) _place: Place,
}

impl<S: Source> Live for Stream<S> {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            tokio::select! {
                told = self.source.next() => match told {
                    Ok(news) => self.tell(&news),
                    Err(error) => {
                        tracing::warn!(%error, "a watch ended");
                        return None;
                    }
                },
                () = tokio::time::sleep(self.rest.face.keep_alive) => {
                    return Some(events::ping().id(self.source.place()));
                }
                () = self.rest.face.stopping.cancelled() => return None,
            }
        }
    }
}

impl<S: Source> Stream<S> {
    fn tell(&mut self, news: &News) {
        if news.reset && self.known {
            self.ready.push_back(Event::default().event("reset").data(""));
        }
        self.known = true;
        let (mut piece, mut size) = (Vec::new(), 0);
        for (key, entry) in &news.entries {
            // Nothing of it can fail.
            let shown = serde_json::to_string(&EntryJson::at(key, entry.as_ref())).unwrap_or_default();
            if !piece.is_empty() && (piece.len() == self.most || size + shown.len() > PIECE) {
                self.ready.push_back(change(&std::mem::take(&mut piece)));
                size = 0;
            }
            size += shown.len();
            piece.push(shown);
        }
        // Only who has the last of it has all of it.
        let last = if piece.is_empty() { events::ping() } else { change(&piece) };
        self.ready.push_back(last.id(self.source.place()));
    }
}

/// What a poll is told.
#[derive(Debug, Serialize)]
pub(super) struct Polled<'a, P> {
    entries: Vec<EntryJson<'a>>,
    versionstamps: P,
    #[serde(skip_serializing_if = "Not::not")]
    reset: bool,
}

impl<'a, P> Polled<'a, P> {
    /// The news, and how far they go.
    pub(super) fn new(news: &'a News, versionstamps: P) -> Self {
        let entry = |(key, entry): &'a (Key, Option<Entry>)| EntryJson::at(key, entry.as_ref());
        Self { entries: news.entries.iter().map(entry).collect(), versionstamps, reset: news.reset }
    }
}

fn change(entries: &[String]) -> Event {
    Event::default().event("change").data(format!("[{}]", entries.join(",")))
}
