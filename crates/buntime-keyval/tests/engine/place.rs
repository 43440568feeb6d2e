//! A store in a place of its own, with a clock that a test turns.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use buntime_database::{
    Adapter,
    sqlite::{Options as File, Sqlite},
};
use buntime_keyval::{Engine, Limits, Namespace, Options, engine::Clock};
use tempfile::TempDir;

/// Opens the database of a place, again and again.
type Opener = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Arc<dyn Adapter>> + Send>> + Send + Sync>;

pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) kv: Namespace,
    pub(crate) time: Arc<AtomicU64>,
    pub(crate) database: Arc<dyn Adapter>,
    opener: Opener,
}

impl Place {
    /// In a directory of its own.
    pub(crate) async fn new() -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        Self::of(Box::new(move || {
            let dir = Arc::clone(&dir);
            Box::pin(async move { Arc::new(Sqlite::open(File::in_dir(dir.path())).await.unwrap()) as Arc<dyn Adapter> })
        }))
        .await
    }

    /// In whatever database that opens.
    pub(crate) async fn of(opener: Opener) -> Self {
        Self::open(opener, Arc::new(AtomicU64::new(1_000_000))).await
    }

    async fn open(opener: Opener, time: Arc<AtomicU64>) -> Self {
        let database = opener().await;
        let read = Arc::clone(&time);
        let clock = Clock::new(move || read.load(Ordering::Relaxed));
        let engine = Engine::open(database.clone(), Options { clock, ..Options::default() }).await.unwrap();
        let kv = engine.namespace("default", Limits::DENO).await.unwrap();
        Self { engine, kv, time, database, opener }
    }

    /// Closed and opened again.
    pub(crate) async fn again(self) -> Self {
        self.engine.close().await;
        self.database.close().await;
        Self::open(self.opener, self.time).await
    }

    /// Another node: a store of its own on the same database.
    pub(crate) async fn another(&self) -> Engine {
        self.another_with(Options::default()).await
    }

    /// The same with other options, but for the clock.
    pub(crate) async fn another_with(&self, options: Options) -> Engine {
        let read = Arc::clone(&self.time);
        let clock = Clock::new(move || read.load(Ordering::Relaxed));
        Engine::open(self.database.clone(), Options { clock, ..options }).await.unwrap()
    }

    pub(crate) fn pass(&self, millis: u64) {
        self.time.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }
}
