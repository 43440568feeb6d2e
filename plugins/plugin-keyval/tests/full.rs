//! A database that is full: whoever writes is told so with a 507, on both faces; reading goes on, and so does writing when
//! there is room again.

use std::{sync::Arc, time::Duration};

use buntime_core::services::Services;
use buntime_database::{
    Adapter, Registry,
    sqlite::{Options, Sqlite},
};
use buntime_keyval::{Atomic, Committed, Error, Selector, Store, Value, key};
use buntime_testing::TestRuntime;
use futures_util::{StreamExt, TryStreamExt};
use plugin_keyval::KeyvalPlugin;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tempfile::TempDir;

const TOKEN: &str = "a-long-and-random-text";

async fn integrity(options: Options) -> String {
    let db = Sqlite::open(options).await.unwrap();
    // It reads every page of every table; what is damaged fails.
    let sql = "SELECT count(*) FROM kv_entries WHERE length(value) + length(key) > 0";
    let rows = db.query(sql, Vec::new()).await.map(|rows| rows.len());
    db.close().await;
    format!("{rows:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_are_told_readers_go_on_and_nothing_is_damaged() {
    let dir = TempDir::new().unwrap();
    let options = Options::in_dir(dir.path()).with_max_bytes(1 << 20);
    let sqlite = Arc::new(Sqlite::open(options.clone()).await.unwrap());
    let services = Services::default();
    let registry = Registry::builder().add(sqlite.clone(), true).build().unwrap();
    services.provide::<Registry>(Arc::new(registry));
    let settings = json!({ "accessTokens": [TOKEN] });
    let runtime = TestRuntime::builder().plugin(KeyvalPlugin, settings).services(services).start().await;
    let url = runtime.url("/p/keyval");
    let store = Store::connect(&url, TOKEN).await.unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = Client::new();

    store.set(key!["first"], &"still there").await.unwrap();
    let mut watch = Box::pin(store.watch(vec![key!["first"]]).unwrap());
    assert!(watch.next().await.unwrap().unwrap()[0].1.is_some());
    let large = || Value::Bytes(vec![7; 20_000].into());
    let both = |n: u32| Atomic::new().set(key!["left", n], large()).set(key!["right", n], large());
    let mut written = 0;
    let error = loop {
        match store.commit(both(written)).await {
            Ok(Committed::Yes(_)) => written += 1,
            Ok(Committed::No(_)) => panic!("it has no checks"),
            Err(error) => break error,
        }
        assert!(written < 100);
    };
    assert_eq!(error, Error::Full);
    // Many at once, of which each is refused or whole.
    let many = futures_util::future::join_all((0..20).map(|n| store.commit(both(1000 + n)))).await;
    assert!(many.iter().all(|done| done == &Err(Error::Full)), "{many:?}");
    let put = client.put(format!("{url}/api/keys/rest")).bearer_auth(TOKEN).body(format!("\"{}\"", "x".repeat(60_000)));
    let put = put.send().await.unwrap();
    assert_eq!(put.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert!(put.text().await.unwrap().contains("The storage is full"));
    let enqueue = json!({ "value": "x".repeat(60_000) }).to_string();
    let enqueued =
        client.post(format!("{url}/api/queue/enqueue")).bearer_auth(TOKEN).body(enqueue).send().await.unwrap();
    assert_eq!(enqueued.status(), StatusCode::INSUFFICIENT_STORAGE);

    // Reading goes on, of all that was acknowledged and of nothing else.
    assert_eq!(store.get_as::<String>(&key!["first"]).await.unwrap().as_deref(), Some("still there"));
    let read = client.get(format!("{url}/api/keys/first")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    for side in ["left", "right"] {
        let all: Vec<_> = store.list(Selector::prefix(key![side])).batch(10).stream().try_collect().await.unwrap();
        assert_eq!(all.len(), written as usize, "{side}");
    }
    assert!(store.queues().await.unwrap().is_empty());

    // With room again everything does.
    for n in 0..written / 2 {
        let gone = Atomic::new().delete(key!["left", n]).delete(key!["right", n]);
        store.write(gone).await.unwrap();
    }
    store.write(both(5000).delete(key!["first"])).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(told, [(true, None)]);

    drop(watch);
    runtime.stop().await;
    sqlite.close().await;
    assert_eq!(integrity(options).await, "Ok(1)");
}
