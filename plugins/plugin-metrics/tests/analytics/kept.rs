//! What is kept, for how long, and by how many.

use std::time::Duration;

use buntime_core::Clock;
use serde_json::json;

use crate::{ask, pairs, send, sqlite, start, stop, total};

#[tokio::test]
async fn a_restart_loses_nothing() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::fake());
    let file = dir.path().join("kept.db");
    for before in [0, 4, 8] {
        let database = sqlite(Some(&file)).await;
        // It writes so seldom that the rest is written at the end.
        let settings = json!({ "analytics": { "flushInterval": "10m" } });
        let host = start(settings, Some(database.clone()), &clock).await;
        assert_eq!(total(&host, "?window=day").await, before);
        send(&host, 4, "a", "acme", 200).await;
        stop(host).await;
        database.close().await;
    }
}

#[tokio::test]
async fn it_is_written_without_being_asked() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::fake());
    let file = dir.path().join("kept.db");
    let settings = json!({ "analytics": { "flushInterval": "100ms" } });
    let writes = start(settings.clone(), Some(sqlite(Some(&file)).await), &clock).await;
    let reads = start(settings, Some(sqlite(Some(&file)).await), &clock).await;
    send(&writes, 3, "a", "", 200).await;
    buntime_testing::eventually("another sees them", || async { total(&reads, "").await == 3 }).await;
    stop(writes).await;
    stop(reads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_share_a_database_add_up() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::fake());
    let file = dir.path().join("kept.db");
    let settings = json!({ "analytics": { "flushInterval": "100ms" } });
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(start(settings.clone(), Some(sqlite(Some(&file)).await), &clock).await);
    }
    let work = |host: buntime_core::Host| async move {
        for _ in 0..10 {
            send(&host, 10, "a", "acme", 200).await;
            send(&host, 5, "b", "", 503).await;
            total(&host, "").await;
        }
        host
    };
    let nodes: Vec<_> = nodes.into_iter().map(|node| tokio::spawn(work(node))).collect();
    let mut back = Vec::new();
    for node in nodes {
        back.push(node.await.unwrap());
    }
    for node in &back {
        total(node, "").await;
    }
    for node in &back {
        for window in ["hour", "day", "month"] {
            let told = ask(node, &format!("?window={window}")).await;
            assert_eq!(pairs(&told["routes"], "route"), json!([["a", 300], ["b", 150]]), "{window}");
        }
    }
    for node in back {
        stop(node).await;
    }
}

#[tokio::test]
async fn what_is_old_goes() {
    let clock = Clock::fake();
    let database = sqlite(None).await;
    let host = start(json!({ "analytics": { "retention": "2d" } }), Some(database.clone()), &clock).await;
    let steps = || async {
        let sql = "SELECT step, COUNT(*) FROM metrics_requests GROUP BY step ORDER BY step";
        let rows = database.query(sql, Vec::new()).await.unwrap();
        rows.iter().map(|row| (row.at::<i64>(0).unwrap(), row.at::<i64>(1).unwrap())).collect::<Vec<_>>()
    };
    send(&host, 1, "a", "", 200).await;
    total(&host, "").await;
    assert_eq!(steps().await, [(60, 1), (600, 1), (3_600, 1), (21_600, 1)]);
    // Minutes go after three hours.
    clock.advance(Duration::from_secs(4 * 3_600));
    total(&host, "").await;
    assert_eq!(steps().await, [(600, 1), (3_600, 1), (21_600, 1)]);
    assert_eq!(total(&host, "?window=day").await, 1);
    // The rest with the retention.
    clock.advance(Duration::from_secs(52 * 3_600));
    assert_eq!(total(&host, "?window=month").await, 0);
    assert_eq!(steps().await, []);
    stop(host).await;
}

#[tokio::test]
async fn series_are_bounded_and_their_sum_is_right() {
    let host = start(json!({ "analytics": { "maxSeries": 3 } }), Some(sqlite(None).await), &Clock::fake()).await;
    for consumer in 0..20 {
        send(&host, 1, "a", &format!("c{consumer}"), 200).await;
    }
    let told = ask(&host, "").await;
    assert_eq!(told["totals"]["requests"], 20);
    assert_eq!(pairs(&told["consumers"], "consumer"), json!([["other", 17], ["c0", 1], ["c1", 1], ["c2", 1]]));
    assert_eq!(pairs(&told["statuses"], "class"), json!([["2xx", 17], ["2xx", 3]]));
    stop(host).await;
}

#[tokio::test]
async fn a_reload_loses_nothing() {
    let (clock, database) = (Clock::fake(), sqlite(None).await);
    let host = start(json!({ "analytics": { "flushInterval": "10m" } }), Some(database), &clock).await;
    send(&host, 4, "a", "", 200).await;
    host.restart(&buntime_core::PluginName::new("metrics")).await.unwrap();
    send(&host, 4, "a", "", 200).await;
    assert_eq!(total(&host, "").await, 8);
    stop(host).await;
}
