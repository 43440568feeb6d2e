//! The engine: a store on a database of this process's.
//!
//! One row of the database counts commits and is locked by each write, so writes are strictly serializable and
//! versionstamps are in their order on any adapter. A read is one statement, and so sees one moment. Watches and queues
//! are told by commits.

mod clock;
mod erase;
mod hub;
mod index;
mod listed;
mod listen;
mod mutate;
mod namespaces;
mod news;
mod places;
mod queue;
mod quota;
mod read;
mod refusal;
mod row;
mod schema;
mod sweep;
mod tree;
mod trigger;
mod watch;
mod write;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use buntime_database::{Adapter, args};

use self::hub::{Hub, Nodes};
pub use self::{
    clock::Clock,
    erase::{Erased, Judge},
    index::{ByIndex, Edge, Hit, Hits, Index, IndexInfo, IndexKind, IndexState, Page, Search},
    namespaces::NamespaceInfo,
    queue::{DeadLetter, Delivery, Failure, QueueStats},
    quota::Quota,
    read::Take,
    tree::Child,
    trigger::{Changed, Effect, Signalled, Subscription, Trigger, Wanted},
    watch::{Changes, From as WatchFrom, Place, Told, Watch},
};
pub use crate::Committed;
use crate::{Error, Limits, Result};

/// The namespace of those who name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// How a store behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time.
    pub clock: Clock,
    /// How long, in milliseconds, a deduplication key is remembered after its message was put into a queue.
    pub dedup_window: u64,
    /// How many dead letters a namespace keeps; the oldest go first.
    pub dead_letters: u32,
    /// The longest pause between two looks for what has expired.
    pub sweep: Duration,
    /// How many namespaces there may be.
    pub namespaces: usize,
    /// How often a database that other nodes write to, and that cannot tell of it (libSQL), is asked whether they did. So
    /// long a watch or a consumer may hear later of what another node committed.
    pub poll: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            dedup_window: 5 * 60 * 1000,
            dead_letters: 10_000,
            sweep: Duration::from_secs(60),
            namespaces: 1000,
            poll: Duration::from_millis(500),
        }
    }
}

/// A store: namespaces of entries and queues in one database.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use buntime_database::sqlite::{Options as File, Sqlite};
/// use buntime_keyval::{Atomic, Engine, Limits, Options, Value, key};
///
/// let database = Arc::new(Sqlite::open(File::memory()).await?);
/// let engine = Engine::open(database, Options::default()).await?;
/// let kv = engine.namespace("default", Limits::DENO).await?;
/// kv.commit(Atomic::new().set(key!["users", 7], Value::U64(1))).await?;
/// let entry = kv.get(&key!["users", 7]).await?.ok_or("nothing there")?;
/// assert_eq!(entry.value, Value::U64(1));
/// engine.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    database: Arc<dyn Adapter>,
    clock: Clock,
    options: Options,
    hub: Arc<Hub>,
    uuid: String,
    namespaces: namespaces::Known,
    tasks: sweep::Tasks,
    builders: index::Builders,
    triggers: Arc<trigger::Triggers>,
}

/// One key space with its queues. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Namespace {
    engine: Arc<Inner>,
    id: i64,
    name: Arc<str>,
    limits: Arc<Limits>,
    declared: Arc<ArcSwap<index::Declared>>,
}

impl Engine {
    /// Opens the store in that database, with its tables made if need be.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(database: Arc<dyn Adapter>, options: Options) -> Result<Self> {
        // Reads are strictly serializable, too: what another node was acknowledged is seen here.
        let database = database.primary().unwrap_or(database);
        schema::migrate(&*database).await?;
        let uuid = uuid::Uuid::new_v4().to_string();
        let first = "INSERT INTO kv_clock (id, version, shape, uuid) VALUES (1, 0, 0, ?1) ON CONFLICT (id) DO NOTHING";
        database.execute(first, args![uuid]).await?;
        // It hears before it asks for the last commit: so there is none that is neither read nor heard.
        let (nodes, notifications) = Nodes::of(&database, options.poll).await?;
        let rows = database.query("SELECT version, uuid FROM kv_clock WHERE id = 1", args![]).await?;
        let row = rows.first().ok_or_else(|| Error::Database("there is no clock".into()))?;
        let hub = Arc::new(Hub::new(row::unsigned(row.at(0)?), nodes));
        let inner = Inner {
            database,
            clock: options.clock.clone(),
            options,
            hub,
            uuid: row.at(1)?,
            namespaces: namespaces::Known::default(),
            tasks: sweep::Tasks::default(),
            builders: index::Builders::default(),
            triggers: Arc::default(),
        };
        let engine = Arc::new(inner);
        sweep::start(&engine, notifications);
        index::Builders::start(&engine);
        Ok(Self(engine))
    }

    /// The id of this store, made with it.
    pub fn uuid(&self) -> &str {
        &self.0.uuid
    }

    /// The time it goes by.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Can it be read and written now?
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<()> {
        Ok(self.0.database.health().await?)
    }

    /// Ends what runs for it. The database stays open: it is its owner's.
    pub async fn close(&self) {
        self.0.tasks.end().await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.tell();
    }
}

impl Namespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store it is in.
    pub fn engine(&self) -> Engine {
        Engine(Arc::clone(&self.engine))
    }

    /// The same under other limits.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { limits: Arc::new(limits), ..self.clone() }
    }

    /// The limits it goes by.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
