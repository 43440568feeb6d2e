//! A store on another machine, by KV Connect: of `plugin-keyval`, or of any other server that speaks it. What KV Connect has
//! no words for goes over the REST face of the former.
//!
//! What is sent again is what cannot have happened, and reads. A write whose answer was lost is [`Error::Uncertain`]; it is
//! for the caller to look, or to have put a check into it.

mod answer;
mod atomic;
mod below;
mod dead;
mod endless;
mod events;
mod exchange;
mod index;
mod metadata;
mod queue;
mod rest;
mod watch;

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use tokio::sync::Mutex;

pub use self::{below::RemoteChanges, watch::RemoteWatch};
use self::{
    exchange::{Does, Exchange},
    metadata::Metadata,
};
use crate::{
    Atomic, Committed, Entry, Error, Key, Range, Result, Versionstamp,
    wire::{self, ReadStatus, WriteStatus},
};

/// How a remote store is asked.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// How long a call may take, with all its tries. Default 30 s.
    pub timeout: Duration,
    /// How long one try may take. Default 10 s.
    pub attempt: Duration,
    /// How often a call is tried, the first time included. Default 6.
    pub tries: u32,
    /// The pause before the second try; each further one is twice as long, and all are varied. Default 50 ms.
    pub pause: Duration,
    /// How long a watch may hear nothing, not even a sign of life, before it asks anew. Default 60 s.
    pub silence: Duration,
    /// Bytes of an answer at the most. Default 64 MiB.
    pub max_answer: u64,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            attempt: Duration::from_secs(10),
            tries: 6,
            pause: Duration::from_millis(50),
            silence: Duration::from_secs(60),
            max_answer: 64 << 20,
        }
    }
}

/// A remote store. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Remote(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: RemoteOptions,
    exchange: Exchange,
    /// Where the data is, as long as that is known.
    metadata: Mutex<Option<Arc<Metadata>>>,
}

impl Remote {
    /// The store at `url`, as `Deno.openKv` has it: `http://host/p/keyval`, or `…/ns/<name>` for another namespace.
    /// Nothing is asked before it is used.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no such URL, or a token that no header can have.
    pub fn new(url: &str, token: &str, options: RemoteOptions) -> Result<Self> {
        let exchange = Exchange::new(url, token, &options)?;
        Ok(Self(Arc::new(Inner { options, exchange, metadata: Mutex::default() })))
    }

    /// Asks where the data is, if that is not known: so that a wrong URL or token is known at once.
    ///
    /// # Errors
    /// [`Error::Denied`], or why it does not answer.
    pub async fn check(&self) -> Result<()> {
        self.0.metadata().await.map(drop)
    }

    /// The entry of a key.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::Denied`], or why it does not answer.
    pub async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        Ok(self.snapshot(&[Range::of_key(key)]).await?.pop().and_then(|mut entries| entries.pop()))
    }

    /// The entries of ranges, all as of one moment.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn snapshot(&self, ranges: &[Range]) -> Result<Vec<Vec<Entry>>> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let asked = wire::SnapshotRead { ranges: ranges.iter().map(wire::ReadRange::from).collect() };
        let answer = self.0.ask("snapshot_read", asked.encode_to_vec(), Does::Reads).await?;
        let output = wire::SnapshotReadOutput::decode(answer).map_err(|_| answer::unreadable(Does::Reads))?;
        // Older servers do not say.
        if output.read_disabled || output.status() == ReadStatus::Disabled {
            return Err(Error::Refused("There is no reading here".into()));
        }
        if output.ranges.len() != ranges.len() {
            return Err(answer::unreadable(Does::Reads));
        }
        let entries = |range: wire::ReadRangeOutput| range.values.into_iter().map(Entry::try_from).collect();
        output.ranges.into_iter().map(entries).collect()
    }

    /// Writes, if every check holds. A message to a named queue, with a priority or with a deduplication key goes only to
    /// servers with the REST face; all else to any.
    ///
    /// # Errors
    /// As [`Remote::get`], and what the store refuses. Nothing has happened, but for an [`Error::Uncertain`].
    pub async fn commit(&self, write: &Atomic) -> Result<Committed> {
        if !write.messages.iter().all(wire::carries) {
            return self.commit_by_rest(write).await;
        }
        let asked = wire::AtomicWrite::try_from(write)?;
        let answer = self.0.ask("atomic_write", asked.encode_to_vec(), Does::Writes).await?;
        let output = wire::AtomicWriteOutput::decode(answer).map_err(|_| answer::unreadable(Does::Writes))?;
        match output.status() {
            WriteStatus::Success => {
                let stamp = output.versionstamp.try_into().map_err(|_| answer::unreadable(Does::Writes))?;
                Ok(Committed::Yes(Versionstamp::from_bytes(stamp)))
            }
            WriteStatus::CheckFailure => {
                Ok(Committed::No(output.failed_checks.into_iter().map(|at| at as usize).collect()))
            }
            WriteStatus::Disabled => Err(Error::Refused("There is no writing here".into())),
            WriteStatus::Unspecified => Err(answer::unreadable(Does::Writes)),
        }
    }

    /// Watches keys: how each is, now and whenever one changes. It comes back by itself when its connection is lost.
    pub fn watch(&self, keys: Vec<Key>) -> RemoteWatch {
        RemoteWatch::new(Arc::clone(&self.0), keys)
    }

    /// Watches what is below a prefix: first all there is, then each key that changes. Of servers with the REST face.
    pub fn watch_below(&self, prefix: Key) -> RemoteChanges {
        RemoteChanges::new(Arc::clone(&self.0), prefix)
    }
}
