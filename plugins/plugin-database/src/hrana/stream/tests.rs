//! Streams without the wire.

use std::time::Duration;

use buntime_database::{
    Adapter, args,
    sqlite::{Options, Sqlite},
};
use serde_json::json;
use tokio::sync::Semaphore;

use super::*;
use crate::config::DatabaseSettings;

struct World {
    adapter: Arc<dyn Adapter>,
    spares: Spares,
    limits: Limits,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::in_dir(dir.path()).with_session_hold(Duration::from_millis(100));
        let adapter = Arc::new(Sqlite::open(options).await.unwrap());
        adapter.execute("CREATE TABLE t (x INTEGER)", args![]).await.unwrap();
        let limits = Limits::of(&DatabaseSettings::default());
        Self { adapter, spares: Spares::new(Duration::from_secs(10)), limits, _dir: dir }
    }

    fn stream(&self) -> Stream {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let target = Target { adapter: Arc::clone(&self.adapter), tenant: None };
        Stream::new(target, self.spares.clone(), Arc::new(Figures::new()), place)
    }

    async fn run(&self, stream: &mut Stream, sql: &str) -> Result<Output, &'static str> {
        let stmt = serde_json::from_value(json!({ "sql": sql })).unwrap();
        stream.execute(stmt, &self.limits).await.map_err(|wrong| wrong.code())
    }

    fn has_spare(&self) -> bool {
        self.spares.take(&self.adapter).map(|session| self.spares.give(&self.adapter, session)).is_some()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_anothers_only_as_it_was() {
    let world = World::new().await;
    let mut first = world.stream();
    world.run(&mut first, "BEGIN").await.unwrap();
    world.run(&mut first, "INSERT INTO t VALUES (1)").await.unwrap();
    first.close(&world.limits).await;
    assert!(world.has_spare());
    let mut second = world.stream();
    assert_eq!(world.run(&mut second, "SELECT * FROM t").await.unwrap().rows.len(), 0, "rolled back");
    assert!(!world.has_spare(), "it is in use");
    world.run(&mut second, "PRAGMA foreign_keys = off").await.unwrap();
    second.close(&world.limits).await;
    assert!(!world.has_spare(), "it is not as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_transaction_was_taken_away_is_nobodys() {
    let world = World::new().await;
    let mut first = world.stream();
    world.run(&mut first, "BEGIN IMMEDIATE").await.unwrap();
    world.run(&mut first, "INSERT INTO t VALUES (1)").await.unwrap();
    // Waits for it to be taken away.
    world.adapter.execute("INSERT INTO t VALUES (2)", args![]).await.unwrap();
    first.close(&world.limits).await;
    assert!(!world.has_spare());
    let mut second = world.stream();
    world.run(&mut second, "BEGIN IMMEDIATE").await.unwrap();
    world.adapter.execute("INSERT INTO t VALUES (3)", args![]).await.unwrap();
    assert_eq!(world.run(&mut second, "COMMIT").await.unwrap_err(), "TRANSACTION_TIMEOUT");
    assert!(second.has_ended());
    assert_eq!(world.run(&mut second, "SELECT 1").await.unwrap_err(), "STREAM_CLOSED");
    let left = world.adapter.query("SELECT x FROM t", args![]).await.unwrap();
    assert_eq!(left.into_values(), [args![2], args![3]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_not_told_as_if_it_were_not() {
    let world = World::new().await;
    let mut stream = world.stream();
    let limits = Limits { rows: 1, ..world.limits };
    let message = async |stream: &mut Stream, sql: &str| {
        let stmt: Stmt = serde_json::from_value(json!({ "sql": sql })).unwrap();
        let output = stream.execute(stmt, &limits).await.unwrap();
        whole(output, true, &mut limits.budget()).unwrap_err().told().message
    };
    for sql in ["INSERT INTO t VALUES (1), (2) RETURNING x", "INSERT INTO t VALUES (3) RETURNING 9e999"] {
        let message = message(&mut stream, sql).await;
        assert!(message.contains("stays unless its transaction is rolled back"), "{message}");
    }
    let message = message(&mut stream, "SELECT x FROM t").await;
    assert!(!message.contains("rolled back"), "{message}");
}
