//! A database that is slow, or away: nobody waits for it, and what it missed it is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use buntime_core::Clock;
use buntime_database::{Adapter, Error, ErrorKind, Migrated, Migration, Outcome, Result, Rows, Statement, Value};
use buntime_testing::eventually;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{answer, ask, send, sqlite, start, stop, total};

/// One that can be stopped, and that can be away.
#[derive(Debug)]
struct Moody {
    inner: Arc<dyn Adapter>,
    away: AtomicBool,
    reads: AtomicBool,
    /// Writes go through while there is a permit.
    goes: Semaphore,
}

impl Moody {
    async fn new() -> Arc<Self> {
        let goes = Semaphore::new(1);
        Arc::new(Self { inner: sqlite(None).await, away: false.into(), reads: true.into(), goes })
    }

    fn there(&self) -> Result<()> {
        match self.away.load(SeqCst) {
            true => Err(Error::new(ErrorKind::Unavailable, "it is away")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Adapter for Moody {
    fn kind(&self) -> &'static str {
        "moody"
    }

    fn location(&self) -> String {
        "nowhere".to_owned()
    }

    async fn execute(&self, sql: &str, args: Vec<Value>) -> Result<Outcome> {
        self.there()?;
        self.inner.execute(sql, args).await
    }

    async fn query(&self, sql: &str, args: Vec<Value>) -> Result<Rows> {
        if !self.reads.load(SeqCst) {
            self.there()?;
        }
        self.inner.query(sql, args).await
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>> {
        let _goes = self.goes.acquire().await.unwrap();
        self.there()?;
        self.inner.transaction(statements).await
    }

    async fn migrate(&self, component: &str, migrations: &[Migration]) -> Result<Migrated> {
        self.there()?;
        self.inner.migrate(component, migrations).await
    }

    async fn health(&self) -> Result<()> {
        self.there()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for_in_memory() {
    let (moody, clock) = (Moody::new().await, Clock::fake());
    let settings = json!({ "analytics": { "flushInterval": "100ms" } });
    let host = start(settings, Some(moody.clone()), &clock).await;
    send(&host, 2, "a", "", 200).await;
    assert_eq!(total(&host, "").await, 2);
    moody.away.store(true, SeqCst);
    send(&host, 3, "a", "", 200).await;
    let told = ask(&host, "").await;
    assert_eq!((&told["totals"]["requests"], &told["storage"]["failing"]), (&json!(2), &json!(true)));
    moody.reads.store(false, SeqCst);
    let refused = answer(&host, "").await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    moody.away.store(false, SeqCst);
    // It is tried again without being asked.
    eventually("it is written", || async { ask(&host, "").await["totals"]["requests"] == 5 }).await;
    assert_eq!(ask(&host, "").await["storage"], json!({ "failing": false, "lost": 0 }));
    stop(host).await;
}

#[tokio::test]
async fn one_that_is_away_at_the_start_is_told_later() {
    let moody = Moody::new().await;
    moody.away.store(true, SeqCst);
    let host = start(json!({ "analytics": { "flushInterval": "100ms" } }), Some(moody.clone()), &Clock::fake()).await;
    send(&host, 3, "a", "", 200).await;
    assert_eq!(answer(&host, "").await.status(), 503, "there is not even a table");
    moody.away.store(false, SeqCst);
    assert_eq!(total(&host, "").await, 3);
    stop(host).await;
}

#[tokio::test]
async fn one_that_hangs_delays_no_request_and_few_who_ask() {
    let moody = Moody::new().await;
    let host = start(json!({ "analytics": { "flushInterval": "100ms" } }), Some(moody.clone()), &Clock::fake()).await;
    send(&host, 1, "a", "", 200).await;
    assert_eq!(total(&host, "").await, 1);
    let hangs = moody.goes.acquire().await.unwrap();
    send(&host, 1, "a", "", 200).await;
    // Whoever asks waits a moment for what was counted, and then gets what is there.
    let begun = Instant::now();
    let answers = futures_util::future::join_all((0..6).map(|_| answer(&host, ""))).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 503, 503]);
    assert_eq!(answer(&host, "").await.status(), 503, "those that hang keep their places");
    let begun = Instant::now();
    send(&host, 500, "a", "", 200).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(hangs);
    eventually("it is written", || async {
        let answer = answer(&host, "").await;
        answer.status() == 200 && total(&host, "").await == 502
    })
    .await;
    stop(host).await;
}
