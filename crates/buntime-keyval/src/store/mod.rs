//! One type for stores in this process and on other machines: programs are written once, and told at the start which it is.

mod dead;
mod index;
mod list;
mod queue;
#[cfg(feature = "typed")]
mod typed;

use futures_util::{Stream, StreamExt, stream};

#[cfg(feature = "remote")]
use crate::remote::{Remote, RemoteOptions};
use crate::{Atomic, Below, Committed, Entry, Error, Key, Range, Result, Selector, States, Versionstamp};
#[cfg(feature = "embedded")]
use crate::{Engine, Limits, Namespace};

pub use self::list::List;

/// Keys of one read: Deno's most.
const TOGETHER: usize = 10;

/// A store, wherever it is. Cheap to clone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use futures_util::TryStreamExt;
/// use buntime_keyval::{Atomic, Selector, Store, Value, key};
/// # use buntime_keyval::{Engine, Limits, Options};
/// # use buntime_database::sqlite::{Options as File, Sqlite};
/// # let database = std::sync::Arc::new(Sqlite::open(File::memory()).await?);
/// # let engine = Engine::open(database, Options::default()).await?;
///
/// // In this process; `Store::connect(url, token)` is one elsewhere.
/// let store = Store::of(engine.namespace("default", Limits::DENO).await?);
/// store.set(key!["users", 7], &"Ada").await?;
/// assert_eq!(store.get_as::<String>(&key!["users", 7]).await?.as_deref(), Some("Ada"));
///
/// let seen = store.get(&key!["users", 7]).await?.map(|entry| entry.versionstamp);
/// let write = Atomic::new().check(key!["users", 7], seen).delete(key!["users", 7]).sum(key!["left"], 1);
/// assert!(store.commit(write).await?.versionstamp().is_some());
///
/// let all: Vec<_> = store.list(Selector::default()).stream().try_collect().await?;
/// assert_eq!((all.len(), &all[0].value), (1, &Value::U64(1)));
/// # engine.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Store(Kind);

#[derive(Clone, Debug)]
enum Kind {
    #[cfg(feature = "embedded")]
    Embedded(Namespace),
    #[cfg(feature = "remote")]
    Remote(Remote),
}

/// Does the same on either.
macro_rules! either {
    ($store:expr, $it:ident => $embedded:expr, $remote:expr) => {
        match &$store.0 {
            #[cfg(feature = "embedded")]
            $crate::store::Kind::Embedded($it) => $embedded,
            #[cfg(feature = "remote")]
            $crate::store::Kind::Remote($it) => $remote,
        }
    };
}
use either;

impl Store {
    /// A namespace of an engine in this process.
    #[cfg(feature = "embedded")]
    pub fn of(namespace: Namespace) -> Self {
        Self(Kind::Embedded(namespace))
    }

    /// The default namespace of an engine in this process, under Deno's limits.
    ///
    /// # Errors
    /// The database's.
    #[cfg(feature = "embedded")]
    pub async fn in_engine(engine: &Engine) -> Result<Self> {
        Ok(Self::of(engine.namespace(crate::engine::DEFAULT_NAMESPACE, Limits::DENO).await?))
    }

    /// The store at `url`, as `Deno.openKv` has it: `http://host/p/keyval`, or `…/ns/<name>` for another namespace. Asks it
    /// once, so that a wrong URL or token is known now.
    ///
    /// ```no_run
    /// # async fn example() -> buntime_keyval::Result<()> {
    /// use std::time::Duration;
    /// use buntime_keyval::{Message, Store, Value, key};
    /// use futures_util::TryStreamExt;
    ///
    /// let store = Store::connect("http://127.0.0.1:8000/p/keyval", "a-long-and-random-text").await?;
    /// store.enqueue(Message::new(Value::of("print the invoice")?).to("printer")).await?;
    /// let mut messages = std::pin::pin!(store.messages("printer", 10, Duration::from_secs(30)));
    /// while let Some(message) = messages.try_next().await? {
    ///     store.set(key!["printed", message.id.as_str()], &message.payload.to::<String>()?).await?;
    ///     store.finish(&[message]).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no such URL, [`Error::Denied`], or why it does not answer.
    #[cfg(feature = "remote")]
    pub async fn connect(url: &str, token: &str) -> Result<Self> {
        let remote = Remote::new(url, token, RemoteOptions::default())?;
        remote.check().await?;
        Ok(Self::at(remote))
    }

    /// The same with options, which has not been asked yet.
    #[cfg(feature = "remote")]
    pub fn at(remote: Remote) -> Self {
        Self(Kind::Remote(remote))
    }

    /// The entry of a key.
    ///
    /// # Errors
    /// [`Error::Limit`], or why the store does not answer.
    pub async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        either!(self, it => it.get(key).await, it.get(key).await)
    }

    /// The entries of keys, in their order; of up to 10 as of one moment, more are read in pieces.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let mut all = Vec::with_capacity(keys.len());
        for some in keys.chunks(TOGETHER) {
            let ranges: Vec<Range> = some.iter().map(Range::of_key).collect();
            all.extend(self.snapshot(&ranges).await?.into_iter().map(|mut entries| entries.pop()));
        }
        Ok(all)
    }

    /// The entries of ranges, all as of one moment.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn snapshot(&self, ranges: &[Range]) -> Result<Vec<Vec<Entry>>> {
        either!(self, it => it.snapshot(ranges).await, it.snapshot(ranges).await)
    }

    /// Lists entries, page by page; see [`List`].
    pub fn list(&self, selector: Selector) -> List {
        List::new(self.clone(), selector)
    }

    /// How many entries a selector has. A remote store needs the REST face for it.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn count(&self, selector: &Selector) -> Result<u64> {
        either!(self, it => it.count(&selector.range(None, 1, false)?).await, it.count(selector).await)
    }

    /// Writes, if every check holds. A remote store needs the REST face for messages to named queues, with priorities or with
    /// deduplication keys, and takes no [`Change::Apply`](crate::Change::Apply).
    ///
    /// # Errors
    /// [`Error::Limit`], and what the changes themselves refuse. Nothing has happened, but for an [`Error::Uncertain`].
    pub async fn commit(&self, write: Atomic) -> Result<Committed> {
        either!(self, it => it.commit(write).await, it.commit(&write).await)
    }

    /// Writes without checks.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn write(&self, write: Atomic) -> Result<Versionstamp> {
        if !write.checks.is_empty() {
            return Err(Error::Invalid("A write with checks may not happen; commit it".into()));
        }
        let committed = self.commit(write).await?.versionstamp();
        committed.ok_or_else(|| Error::Database("a write without checks failed one".into()))
    }

    /// Deletes an entry.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn delete(&self, key: Key) -> Result<Versionstamp> {
        self.write(Atomic::new().delete(key)).await
    }

    /// Watches keys: how each is, now and whenever one changes. States in between may be left out, the last one never is. A
    /// remote watch comes back by itself when its connection is lost; it ends with what the store refuses for good.
    ///
    /// # Errors
    /// [`Error::Limit`] for more keys than may be watched.
    pub fn watch(&self, keys: Vec<Key>) -> Result<impl Stream<Item = Result<States>> + Send + use<>> {
        Ok(match &self.0 {
            #[cfg(feature = "embedded")]
            Kind::Embedded(it) => stream::unfold(it.watch(keys)?, |mut watch| async {
                // An error may pass: whoever goes on hears of the last state then.
                Some((watch.next().await, watch))
            })
            .boxed(),
            #[cfg(feature = "remote")]
            Kind::Remote(it) => stream::unfold(Some(it.watch(keys)), |watch| async {
                let mut watch = watch?;
                match watch.next().await {
                    Ok(told) => Some((Ok(told), Some(watch))),
                    Err(error) => Some((Err(error), None)),
                }
            })
            .boxed(),
        })
    }

    /// Watches what is below a prefix: first all there is, then each key that changes. States in between may be left out, the
    /// last one never is. A remote store needs the REST face for it; its watch comes back by itself when its connection is
    /// lost, goes on where it was, and ends with what the store refuses for good.
    ///
    /// # Errors
    /// [`Error::Limit`], or the database's.
    pub async fn watch_below(&self, prefix: Key) -> Result<impl Stream<Item = Result<Below>> + Send + use<>> {
        Ok(match &self.0 {
            #[cfg(feature = "embedded")]
            Kind::Embedded(it) => {
                let changes = it.watch_below(prefix, crate::engine::WatchFrom::Everything).await?;
                stream::unfold(changes, |mut changes| async {
                    let told = changes.next().await;
                    Some((told.map(|told| Below { entries: told.entries, reset: told.reset }), changes))
                })
                .boxed()
            }
            #[cfg(feature = "remote")]
            Kind::Remote(it) => stream::unfold(Some(it.watch_below(prefix)), |changes| async {
                let mut changes = changes?;
                match changes.next().await {
                    Ok(told) => Some((Ok(told), Some(changes))),
                    Err(error) => Some((Err(error), None)),
                }
            })
            .boxed(),
        })
    }
}
