//! Commits that are seen before they are heard.

use std::sync::Mutex;

use async_trait::async_trait;
use buntime_database::{
    Migrated, Migration, Planned, Result, Rows, Statement, Value,
    sqlite::{Options, Sqlite},
};

use futures_util::poll;
use tokio::sync::mpsc;

use super::*;
use crate::key;

/// A database in which commit 1 is there to be read, and this node, if it is its own, tells of it in its turn.
#[derive(Debug)]
struct Committed {
    inner: Sqlite,
    own: Option<Arc<Hub>>,
    notifications: Mutex<Option<Notifications>>,
}

impl Committed {
    async fn new(own: Option<Arc<Hub>>, notifications: Option<Notifications>) -> Self {
        let inner = Sqlite::open(Options::memory()).await.unwrap();
        Self { inner, own, notifications: Mutex::new(notifications) }
    }
}

#[async_trait]
impl Adapter for Committed {
    fn kind(&self) -> &'static str {
        "committed"
    }

    fn location(&self) -> String {
        "nowhere".to_owned()
    }

    async fn execute(&self, sql: &str, args: Vec<Value>) -> Result<Outcome> {
        self.inner.execute(sql, args).await
    }

    async fn query(&self, _: &str, args: Vec<Value>) -> Result<Rows> {
        self.inner.query("SELECT 1", args).await
    }

    async fn transaction(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>> {
        self.inner.transaction(statements).await
    }

    async fn planned(&self, _: Arc<dyn Plan>) -> Result<Planned> {
        if let Some(hub) = &self.own {
            hub.committed(&News { keys: vec![(1, key!["a", 1])], ..News::of(1) });
        }
        Ok(Planned::default())
    }

    async fn notifications(&self, _: &str) -> Result<Option<Notifications>> {
        Ok(self.notifications.lock().unwrap().take())
    }

    async fn migrate(&self, component: &str, migrations: &[Migration]) -> Result<Migrated> {
        self.inner.migrate(component, migrations).await
    }

    async fn health(&self) -> Result<()> {
        self.inner.health().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[tokio::test]
async fn a_commit_of_this_node_that_is_about_to_be_told_is_not_taken_for_anothers() {
    for own in [true, false] {
        let hub = Arc::new(Hub::new(0, Nodes::Polled(Duration::from_secs(1))));
        let watch = hub.watch(1, &[key!["a"]], true);
        look(&Committed::new(own.then(|| Arc::clone(&hub)), None).await, &hub).await;
        let told = watch.changed().await;
        assert_eq!((told.keys.len(), told.everything, told.version), (usize::from(own), !own, 1));
    }
}

#[tokio::test]
async fn a_store_is_open_when_it_hears() {
    for closed in [false, true] {
        let (say, heard) = mpsc::channel(1);
        let database = Committed::new(None, Some(Notifications::of(heard))).await;
        let database: Arc<dyn Adapter> = Arc::new(database);
        let mut opening = std::pin::pin!(Nodes::of(&database, Duration::ZERO));
        assert!(poll!(&mut opening).is_pending());
        if !closed {
            say.send(Heard::Listening).await.unwrap();
        }
        drop(say);
        let opened = opening.await.map(|(nodes, heard)| (matches!(nodes, Nodes::Notified(_)), heard.is_some()));
        assert_eq!(
            opened.map_err(|error| error.kind()),
            if closed { Err(ErrorKind::Closed) } else { Ok((true, true)) }
        );
    }
}

#[tokio::test]
async fn a_store_opens_though_it_cannot_hear_and_hears_later() {
    let (say, heard) = mpsc::channel(1);
    let database: Arc<dyn Adapter> = Arc::new(Committed::new(None, Some(Notifications::of(heard))).await);
    // Passes as soon as there is nothing else to do.
    tokio::time::pause();
    let (_, notifications) = Nodes::of(&database, Duration::ZERO).await.unwrap();
    say.send(Heard::Listening).await.unwrap();
    assert_eq!(notifications.unwrap().next().await, Some(Heard::Listening));
}
