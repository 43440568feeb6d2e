//! Watches of what is below a prefix, by the REST face's stream of events, over a connection that is made again when it is
//! lost and goes on where it was.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::BytesMut;
use http::{HeaderName, HeaderValue, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;

use super::{
    Inner, answer,
    answer::Failed,
    endless,
    events::{Event, next_event},
    exchange::{Does, To, Tries},
};
use crate::{
    Below, Entry, Error, Key, Result,
    json::{key_from_json, key_to_path},
    rest::entry_from_json,
};

/// Entries of one event.
const MOST: u32 = 500;
/// Bytes of one event at the most.
const LARGEST: usize = 16 << 20;
/// The longest pause before a lost connection is made again.
const LONGEST: Duration = Duration::from_secs(5);
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// A watch of what is below a prefix in a remote store.
#[derive(Debug)]
pub struct RemoteChanges {
    of: Arc<Inner>,
    prefix: Key,
    /// The last event that had an id: all up to it was told.
    last: Option<HeaderValue>,
    /// Is what is told next the beginning of everything?
    reset: bool,
    body: Option<Body>,
    read: BytesMut,
    pause: Duration,
}

impl RemoteChanges {
    pub(super) fn new(of: Arc<Inner>, prefix: Key) -> Self {
        let pause = of.options.pause;
        Self { of, prefix, last: None, reset: true, body: None, read: BytesMut::new(), pause }
    }

    /// Waits for a change, the first time for nothing, and tells it: first all there is, then each key that changes. Nothing
    /// is lost when this is dropped while it waits. A connection that is lost is made again, for as long as it takes.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Limit`], or what else the store refuses for good.
    pub async fn next(&mut self) -> Result<Below> {
        loop {
            if self.body.is_none() {
                self.connect().await?;
            }
            match self.event().await {
                Ok(event) => {
                    self.pause = self.of.options.pause;
                    if let Some(told) = self.apply(&event)? {
                        return Ok(told);
                    }
                }
                Err(Error::Unavailable(why)) => {
                    tracing::debug!(%why, "a watch lost its connection; it is made again");
                    self.lose().await;
                }
                Err(error) => {
                    self.body = None;
                    return Err(error);
                }
            }
        }
    }

    async fn lose(&mut self) {
        self.body = None;
        self.read.clear();
        // Without a place to go on from, everything is told again.
        self.reset |= self.last.is_none();
        tokio::time::sleep(self.pause.mul_f64(0.5 + fastrand::f64())).await;
        self.pause = (self.pause * 2).min(LONGEST);
    }

    async fn connect(&mut self) -> Result<()> {
        let path = key_to_path(&self.prefix);
        let path = utf8_percent_encode(&path, NON_ALPHANUMERIC);
        loop {
            let exchange = &self.of.exchange;
            let mut headers = vec![(header::ACCEPT, HeaderValue::from_static("text/event-stream"))];
            headers.extend(self.last.clone().map(|last| (LAST_EVENT, last)));
            let to = To {
                method: Method::GET,
                upstream: &exchange.upstream,
                path: format!("{}/api/watch/prefix?prefix={path}&limit={MOST}", exchange.path.trim_end_matches('/')),
                token: &exchange.token,
                headers,
            };
            let time = Tries::new(&self.of.options).time(&self.of.options);
            let failed = match tokio::time::timeout(time, exchange.open(to, Vec::new(), Does::Reads)).await {
                Ok(Ok(response)) => {
                    self.body = Some(response.into_body());
                    return Ok(());
                }
                Ok(Err(failed)) => failed,
                Err(_) => Failed::harmless("the server takes too long"),
            };
            if !failed.again {
                return Err(failed.error);
            }
            self.lose().await;
        }
    }

    async fn event(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = next_event(&mut self.read) {
                return Ok(event);
            }
            if self.read.len() > LARGEST {
                return Err(answer::unreadable(Does::Reads));
            }
            endless::more(&mut self.body, &mut self.read, self.of.options.silence).await?;
        }
    }

    fn apply(&mut self, event: &Event) -> Result<Option<Below>> {
        let mut entries = Vec::new();
        match event.name.as_str() {
            "change" => {
                let list: Vec<Json> = serde_json::from_str(&event.data).map_err(|_| answer::unreadable(Does::Reads))?;
                for told in &list {
                    let (key, entry) = entry(told)?;
                    // The server tells of the prefix's own entry, too.
                    if key != self.prefix {
                        entries.push((key, entry));
                    }
                }
            }
            "reset" => self.reset = true,
            _ => {}
        }
        if let Some(id) = &event.id {
            self.last = HeaderValue::try_from(id.as_str()).ok();
        }
        // That there is nothing is something to tell, once, when the server has nothing to say.
        if entries.is_empty() && (!self.reset || event.name != "ping" || event.id.is_none()) {
            return Ok(None);
        }
        Ok(Some(Below { entries, reset: std::mem::take(&mut self.reset) }))
    }
}

fn entry(json: &Json) -> Result<(Key, Option<Entry>)> {
    if json.get("versionstamp").is_some_and(Json::is_string) {
        let entry = answer::read(entry_from_json(json), Does::Reads)?;
        return Ok((entry.key.clone(), Some(entry)));
    }
    let key = json.get("key").ok_or_else(|| answer::unreadable(Does::Reads))?;
    Ok((answer::read(key_from_json(key), Does::Reads)?, None))
}
