//! Several nodes of one database: each hears what the others commit.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use buntime_database::{Adapter, args, libsql::Libsql, postgres::Postgres};
use buntime_keyval::{
    Atomic, Engine, Entry, Key, Limits, Message, Namespace, Options, Selector, Value,
    engine::{Changes, WatchFrom},
    key,
};
use tokio::time::timeout;

use crate::{libsql::Tenants, postgres::Schemas};

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Node {
    engine: Engine,
    kv: Namespace,
    database: Arc<dyn Adapter>,
}

impl Node {
    async fn of(database: Arc<dyn Adapter>) -> Self {
        let options = Options { poll: Duration::from_millis(50), ..Options::default() };
        let engine = Engine::open(database.clone(), options).await.unwrap();
        let kv = engine.namespace("default", Limits::DENO).await.unwrap();
        Self { engine, kv, database }
    }

    async fn close(self) {
        self.engine.close().await;
        self.database.close().await;
    }
}

async fn on_postgres(schemas: &Schemas) -> [Node; 2] {
    let options = schemas.schema().await;
    [
        Node::of(Arc::new(Postgres::open(options.clone()).await.unwrap())).await,
        Node::of(Arc::new(Postgres::open(options).await.unwrap())).await,
    ]
}

async fn on_libsql(tenants: &Tenants) -> [Node; 2] {
    let options = tenants.tenant().await;
    [
        Node::of(Arc::new(Libsql::open(options.clone()).await.unwrap())).await,
        Node::of(Arc::new(Libsql::open(options).await.unwrap())).await,
    ]
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_on_postgresql_hear_each_other() {
    let Some(schemas) = Schemas::start().await else { return };
    they_hear_each_other(on_postgres(&schemas).await).await;
    the_last_state_is_never_lost(on_postgres(&schemas).await, async || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_on_libsql_hear_each_other() {
    let Some(tenants) = Tenants::start().await else { return };
    they_hear_each_other(on_libsql(&tenants).await).await;
    the_last_state_is_never_lost(on_libsql(&tenants).await, async || {}).await;
}

/// The connections that listen are cut again and again, while there are writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_connection_was_cut_catches_up() {
    let Some(schemas) = Schemas::start().await else { return };
    let nodes = on_postgres(&schemas).await;
    let other = nodes[1].database.clone();
    let cut = async || {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'";
        let rows = other.query(sql, args![]).await.unwrap();
        assert!(rows.first().unwrap().at::<i64>(0).unwrap() <= 2);
    };
    the_last_state_is_never_lost(nodes, cut).await;
}

/// What is committed while the server is gone to a node, and told to nobody, is told when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_hears_of_the_last_state_after_the_server_was_restarted() {
    let Some(mut schemas) = Schemas::start().await else { return };
    let [a, b] = on_postgres(&schemas).await;
    a.kv.commit(Atomic::new().set(key!["k"], Value::U64(1))).await.unwrap();
    let mut watch = b.kv.watch(vec![key!["k"]]).unwrap();
    assert!(soon("the first state", watch.next()).await.unwrap()[0].1.is_some());
    let waiting =
        tokio::spawn(async move { b.kv.receive("default", 1, Duration::from_secs(30)).await.map(|got| (got, b)) });
    schemas.server.crash();
    schemas.server.go_on().await;
    let write = || Atomic::new().set(key!["k"], Value::U64(2)).enqueue(Message::new(Value::U64(3)));
    // A pool finds out that its connections are gone.
    let written = async { while a.kv.commit(write()).await.is_err() {} };
    soon("a write", written).await;
    let told = async {
        loop {
            if let Ok(told) = watch.next().await
                && let [(_, Some(Entry { value: Value::U64(2), .. }))] = told[..]
            {
                return;
            }
        }
    };
    soon("the last state", told).await;
    match soon("the message", waiting).await.unwrap() {
        Ok((got, b)) => {
            assert_eq!(got[0].payload, Value::U64(3));
            b.close().await;
        }
        // A consumer that asked just then is told so, and asks again.
        Err(error) => assert!(matches!(error, buntime_keyval::Error::Unavailable(_)), "{error:?}"),
    }
    a.close().await;
}

async fn they_hear_each_other([a, b]: [Node; 2]) {
    let mut watch = b.kv.watch(vec![key!["k", 1]]).unwrap();
    let mut below = b.kv.watch_below(key!["k"], WatchFrom::Now).await.unwrap();
    assert_eq!(soon("the first state", watch.next()).await.unwrap(), [(true, None)]);
    let consumer = b.kv.clone();
    let waiting = tokio::spawn(async move { consumer.receive("work", 1, Duration::from_secs(30)).await.unwrap() });
    let message = Message::new(Value::U64(7)).to("work");
    let write = Atomic::new().set(key!["k", 1], Value::U64(1)).set(key!["other"], Value::U64(1)).enqueue(message);
    let commit = a.kv.commit(write).await.unwrap().versionstamp().unwrap();
    let told = soon("a key", watch.next()).await.unwrap();
    assert_eq!(told[0].1.as_ref().unwrap().versionstamp, commit);
    let told = soon("what is below", below.next()).await.unwrap();
    assert_eq!(told.entries.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key!["k", 1]]);
    let got = soon("a message", waiting).await.unwrap();
    assert_eq!(got[0].payload, Value::U64(7));
    // Given back there, it comes here.
    let consumer = a.kv.clone();
    let waiting = tokio::spawn(async move { consumer.receive("work", 1, Duration::from_secs(30)).await.unwrap() });
    b.kv.release(&got).await.unwrap();
    assert_eq!(soon("it again", waiting).await.unwrap()[0].id, got[0].id);
    // More than a notification can say.
    let keys = (0..200).map(|n| key!["k", "long".repeat(20), n]);
    let write = keys.clone().fold(Atomic::new(), |write, key| write.set(key, Value::U64(1)));
    a.kv.commit(write).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let all = async {
        while !keys.clone().all(|key| seen.contains(&key)) {
            seen.extend(below.next().await.unwrap().entries.into_iter().map(|(key, _)| key));
        }
    };
    soon("all of them", all).await;
    a.close().await;
    b.close().await;
}

/// Both write, both watch, and something is cut meanwhile.
async fn the_last_state_is_never_lost([a, b]: [Node; 2], cut: impl AsyncFn()) {
    let watching = |node: &Node| {
        let kv = node.kv.clone();
        async move { kv.watch_below(key!["k"], WatchFrom::Everything).await.unwrap() }
    };
    let watchers = [watching(&a).await, watching(&b).await].map(|changes| tokio::spawn(applied(changes)));
    let writer = |kv: Namespace, at: i32| {
        tokio::spawn(async move {
            for n in 0..60 {
                let key = key!["k", (at * 7 + n) % 20];
                let write = if n % 3 == 0 { Atomic::new().delete(key) } else { Atomic::new().sum(key, 1) };
                // What was cut may have happened or not: it does not matter here.
                let _ = kv.commit(write).await;
            }
        })
    };
    let writers: Vec<_> = (0..4).map(|at| writer(if at % 2 == 0 { a.kv.clone() } else { b.kv.clone() }, at)).collect();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        cut().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let end = async { while a.kv.commit(Atomic::new().set(key!["k", "end"], Value::U64(1))).await.is_err() {} };
    soon("the end", end).await;
    let range = Selector::prefix(key!["k"]).range(None, 1000, false).unwrap();
    let there = a.kv.snapshot(&[range]).await.unwrap().remove(0);
    for watcher in watchers {
        let state = soon("the last state", watcher).await.unwrap();
        assert_eq!(state.into_values().collect::<Vec<_>>(), there);
    }
    a.close().await;
    b.close().await;
}

/// What there is in the end for who applies what it is told, whatever errors there are in between.
async fn applied(mut changes: Changes) -> BTreeMap<Key, Entry> {
    let mut state = BTreeMap::new();
    while !state.contains_key(&key!["k", "end"]) {
        let Ok(told) = changes.next().await else { continue };
        if told.reset {
            state.clear();
        }
        for (key, entry) in told.entries {
            match entry {
                Some(entry) => state.insert(key, entry),
                None => state.remove(&key),
            };
        }
    }
    state
}
