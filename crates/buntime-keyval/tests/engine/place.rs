//! A store in a directory of its own, with a clock that a test turns.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use buntime_database::{
    Adapter,
    sqlite::{Options as File, Sqlite},
};
use buntime_keyval::{Engine, Limits, Namespace, Options, engine::Clock};
use tempfile::TempDir;

pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) kv: Namespace,
    pub(crate) time: Arc<AtomicU64>,
    database: Arc<dyn Adapter>,
    dir: TempDir,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let time = Arc::new(AtomicU64::new(1_000_000));
        Self::open(TempDir::new().unwrap(), time).await
    }

    async fn open(dir: TempDir, time: Arc<AtomicU64>) -> Self {
        let database: Arc<dyn Adapter> = Arc::new(Sqlite::open(File::in_dir(dir.path())).await.unwrap());
        let read = Arc::clone(&time);
        let clock = Clock::new(move || read.load(Ordering::Relaxed));
        let engine = Engine::open(database.clone(), Options { clock, ..Options::default() }).await.unwrap();
        let kv = engine.namespace("default", Limits::DENO).await.unwrap();
        Self { engine, kv, time, database, dir }
    }

    /// Closed and opened again.
    pub(crate) async fn again(self) -> Self {
        self.engine.close().await;
        self.database.close().await;
        Self::open(self.dir, self.time).await
    }

    pub(crate) fn pass(&self, millis: u64) {
        self.time.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }
}
