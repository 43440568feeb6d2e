//! The request log and the history, through restarts.

use buntime_testing::eventually;
use serde_json::{Value, json};

use crate::common::{api, builder, get, json as read, services, start};

async fn samples(host: &buntime_core::Host) -> Vec<Value> {
    let found = read(api(host, "GET", "/metrics/history?limit=60").await).await;
    found.as_array().unwrap().clone()
}

fn sum(samples: &[Value], of: &str) -> u64 {
    samples.iter().map(|sample| sample["interval"][of].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn samples_say_what_happened_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data.db");
    let settings = json!({
        "rateLimit": { "requests": 3, "window": "1h" }, "history": { "interval": "100ms", "samples": 20 },
    });
    let run = || async { builder(settings.clone()).services(services(Some(&file)).await).start().await.unwrap() };
    let host = run().await;
    assert_eq!(get("/").passes(&host, 5).await, 3);
    eventually("a sample has seen them", || async { sum(&samples(&host).await, "requests") == 5 }).await;
    let seen = samples(&host).await;
    assert_eq!((sum(&seen, "allowed"), sum(&seen, "blocked")), (3, 2));
    let busy = seen.iter().find(|sample| sample["interval"]["requests"] != 0).unwrap();
    assert_eq!((&busy["totalRequests"], &busy["activeBuckets"]), (&json!(5), &json!(1)));
    assert_eq!(busy["interval"]["byStatus"], json!({ "2xx": 3, "4xx": 2 }));
    host.stop(std::time::Duration::from_secs(5)).await;

    let host = run().await;
    let earlier = || async { samples(&host).await.iter().any(|sample| sample["timestamp"] == busy["timestamp"]) };
    eventually("what an earlier run has seen is there", earlier).await;
    // They are the last 20.
    eventually("the earlier ones go", || async { !earlier().await && samples(&host).await.len() == 20 }).await;
    // Without the zone: a whole second has no fraction, and would come behind those that have one.
    let time = |sample: &serde_json::Value| sample["timestamp"].as_str().unwrap().trim_end_matches('Z').to_owned();
    let times: Vec<String> = samples(&host).await.iter().map(time).collect();
    assert!(times.is_sorted(), "{times:?}");
    let cleared = read(api(&host, "DELETE", "/metrics/history").await).await["cleared"].as_u64().unwrap();
    assert!((1..=20).contains(&cleared), "{cleared}");
    host.stop(std::time::Duration::from_secs(5)).await;

    let sqlite = buntime_database::sqlite::Sqlite::open(buntime_database::sqlite::Options::file(&file)).await.unwrap();
    let sql = "SELECT count(*) FROM gateway_history";
    let count = buntime_database::Adapter::query(&sqlite, sql, Vec::new()).await.unwrap();
    assert!(count.iter().next().unwrap().at::<i64>(0).unwrap() <= 20, "bounded in the database, too");
}

#[tokio::test]
async fn what_is_remembered_is_chosen() {
    for (requests, kept, total) in
        [("all", 3, json!(3)), ("errors", 1, json!(3)), ("limited", 1, json!(3)), ("none", 1, json!(0))]
    {
        let settings = json!({ "rateLimit": { "requests": 2, "window": "1h" }, "log": { "requests": requests } });
        let host = start(settings).await;
        assert_eq!(get("/?secret=1").passes(&host, 3).await, 2);
        let logs = read(api(&host, "GET", "/logs").await).await;
        assert_eq!(logs.as_array().unwrap().len(), kept, "{requests}: {logs:#}");
        assert!(!logs.to_string().contains("secret"), "{logs:#}");
        assert_eq!(read(api(&host, "GET", "/logs/stats").await).await["total"], total, "{requests}");
    }
    let host = start(json!({ "history": { "enabled": false } })).await;
    assert_eq!(samples(&host).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_flood_of_others_does_not_drive_out_who_was_limited() {
    let host = start(json!({ "rateLimit": { "requests": 1, "window": "1h", "keyBy": "header:x-caller" } })).await;
    assert_eq!(get("/").header("x-caller", "greedy").passes(&host, 2).await, 1);
    for number in 0..1_200 {
        assert_eq!(get("/").header("x-caller", format!("c{number}")).status(&host).await, 200);
    }
    let limited = read(api(&host, "GET", "/logs?rateLimited=true").await).await;
    assert_eq!(limited[0]["key"], "header:x-caller=greedy");
    let all = read(api(&host, "GET", "/logs?limit=2000").await).await;
    assert_eq!(all.as_array().unwrap().len(), 1_001, "bounded");
}
