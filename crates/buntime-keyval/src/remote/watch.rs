//! Watches over a connection that is made again when it is lost.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{Buf, BytesMut};
use prost::Message as _;

use super::{
    Inner,
    answer::{self, Failed},
    endless,
    exchange::{Does, Tries},
};
use crate::{Entry, Error, Key, Result, States, wire};

/// Bytes of one message at the most: ten entries, and what else there may be.
const LARGEST: usize = 16 << 20;
/// The longest pause before a lost connection is made again.
const LONGEST: Duration = Duration::from_secs(5);

/// A watch of keys in a remote store.
#[derive(Debug)]
pub struct RemoteWatch {
    of: Arc<Inner>,
    keys: Vec<Key>,
    /// How each key is, as far as it was told. `None`: nothing was told yet.
    state: Option<Vec<Option<Entry>>>,
    body: Option<Body>,
    read: BytesMut,
    pause: Duration,
}

impl RemoteWatch {
    pub(super) fn new(of: Arc<Inner>, keys: Vec<Key>) -> Self {
        let pause = of.options.pause;
        Self { of, keys, state: None, body: None, read: BytesMut::new(), pause }
    }

    /// Waits for a change, the first time for nothing, and tells how all keys are: each with whether it changed since it was
    /// told last. Nothing is lost when this is dropped while it waits. A connection that is lost is made again, for as
    /// long as it takes.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Limit`], or what else the store refuses for good.
    pub async fn next(&mut self) -> Result<States> {
        loop {
            if self.body.is_none() {
                self.connect().await?;
            }
            match self.message().await {
                Ok(Some(told)) => {
                    self.pause = self.of.options.pause;
                    if let Some(told) = self.apply(told)? {
                        return Ok(told);
                    }
                }
                // A sign of life.
                Ok(None) => self.pause = self.of.options.pause,
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

    /// The keys, in the order of what is told.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    async fn lose(&mut self) {
        self.body = None;
        self.read.clear();
        tokio::time::sleep(self.pause.mul_f64(0.5 + fastrand::f64())).await;
        self.pause = (self.pause * 2).min(LONGEST);
    }

    async fn connect(&mut self) -> Result<()> {
        loop {
            let options = &self.of.options;
            let asked = wire::Watch {
                keys: self.keys.iter().map(|key| wire::WatchKey { key: key.as_bytes().to_vec() }).collect(),
            };
            let attempt = async {
                let metadata = self.of.known_metadata().await?;
                self.of.exchange.open(metadata.to("watch"), asked.encode_to_vec(), Does::Reads).await
            };
            let failed = match tokio::time::timeout(Tries::new(options).time(options), attempt).await {
                Ok(Ok(response)) => {
                    self.body = Some(response.into_body());
                    return Ok(());
                }
                Ok(Err(failed)) => failed,
                Err(_) => Failed::harmless("the server takes too long"),
            };
            if failed.lost {
                self.of.forget_metadata().await;
            }
            if !failed.again {
                return Err(failed.error);
            }
            self.lose().await;
        }
    }

    /// The next message; `None` is a sign of life. Each is behind its length in four bytes.
    async fn message(&mut self) -> Result<Option<wire::WatchOutput>> {
        loop {
            if let Some(length) = self.read.first_chunk::<4>() {
                let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
                if length > LARGEST {
                    return Err(answer::unreadable(Does::Reads));
                }
                if self.read.len() >= 4 + length {
                    self.read.advance(4);
                    let message = self.read.split_to(length).freeze();
                    if message.is_empty() {
                        return Ok(None);
                    }
                    let told = wire::WatchOutput::decode(message);
                    return told.map(Some).map_err(|_| answer::unreadable(Does::Reads));
                }
            }
            endless::more(&mut self.body, &mut self.read, self.of.options.silence).await?;
        }
    }

    /// What is new of it; `None`: nothing is.
    fn apply(&mut self, told: wire::WatchOutput) -> Result<Option<States>> {
        if told.status() == wire::ReadStatus::Disabled {
            return Err(Error::Refused("There is no reading here".into()));
        }
        if told.keys.len() != self.keys.len() {
            return Err(answer::unreadable(Does::Reads));
        }
        let first = self.state.is_none();
        let state = self.state.get_or_insert_with(|| self.keys.iter().map(|_| None).collect());
        let mut all = Vec::with_capacity(state.len());
        for (known, told) in state.iter_mut().zip(told.keys) {
            let mut changed = first;
            if told.changed {
                let now = told.entry_if_changed.map(Entry::try_from).transpose()?;
                let stamp = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.versionstamp);
                // After a connection was lost everything is told again.
                changed |= stamp(&now) != stamp(known);
                *known = now;
            }
            all.push((changed, known.clone()));
        }
        Ok(all.iter().any(|(changed, _)| *changed).then_some(all))
    }
}
