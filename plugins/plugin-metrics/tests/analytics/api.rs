//! What is asked and what is answered.

use std::time::Duration;

use buntime_core::Clock;
use serde_json::json;

use crate::{answer, ask, pairs, send, sqlite, start, stop};

#[tokio::test]
async fn the_top_of_everything_is_told() {
    let clock = Clock::fake();
    let host = start(json!({}), Some(sqlite(None).await), &clock).await;
    send(&host, 5, "service:users/all", "acme", 200).await;
    send(&host, 2, "service:users/all", "", 404).await;
    send(&host, 3, "service:orders/all", "acme", 502).await;
    let told = ask(&host, "").await;
    let totals = &told["totals"];
    assert_eq!(
        (&totals["requests"], &totals["clientErrors"], &totals["serverErrors"]),
        (&json!(10), &json!(2), &json!(3))
    );
    assert_eq!(totals["responseBytes"], 40);
    assert!(totals["meanMs"].as_f64().is_some_and(|mean| mean >= 0.0), "{totals}");
    assert_eq!(pairs(&told["routes"], "route"), json!([["service:users/all", 7], ["service:orders/all", 3]]));
    assert_eq!(pairs(&told["consumers"], "consumer"), json!([["acme", 8], [null, 2]]));
    assert_eq!(pairs(&told["statuses"], "status"), json!([[200, 5], [502, 3], [404, 2]]));
    assert_eq!(pairs(&told["errors"], "status"), json!([[502, 3], [404, 2]]));
    let series = told["series"].as_array().unwrap();
    assert_eq!((series.len(), told["step"].as_i64()), (60, Some(60)));
    let drawn: i64 = series.iter().map(|point| point["requests"].as_i64().unwrap()).sum();
    assert_eq!(drawn, 10);
    assert_eq!(series.last().unwrap()["requests"], 10, "the minute that is now");
    assert_eq!(told["storage"], json!({ "failing": false, "lost": 0 }));
    for (query, requests) in [
        ("?window=day", 10),
        ("?window=month", 10),
        ("?consumer=acme", 8),
        ("?consumer=", 2),
        ("?consumer=acme'%20OR%20''='", 0),
        ("?route=service:orders/all&window=day", 3),
        ("?service=users", 7),
        ("?service=user", 0),
        ("?service=%25", 0),
    ] {
        assert_eq!(ask(&host, query).await["totals"]["requests"], requests, "{query}");
    }
    assert_eq!(ask(&host, "?limit=1").await["routes"].as_array().unwrap().len(), 1);
    stop(host).await;
}

#[tokio::test]
async fn time_goes_by() {
    let clock = Clock::fake();
    let host = start(json!({}), Some(sqlite(None).await), &clock).await;
    send(&host, 1, "a", "", 200).await;
    assert_eq!(ask(&host, "").await["totals"]["requests"], 1);
    for (hours, hour, day, month) in [(2, 1, 2, 2), (30, 1, 1, 3), (24 * 31, 1, 1, 1)] {
        clock.advance(Duration::from_secs(hours * 3_600));
        // What was counted is noted in the minute it is asked in, if nobody took it before.
        send(&host, 1, "a", "", 200).await;
        for (window, requests) in [("hour", hour), ("day", day), ("month", month)] {
            let told = ask(&host, &format!("?window={window}")).await;
            assert_eq!(told["totals"]["requests"], requests, "{window} after {hours} more hours");
        }
    }
    stop(host).await;
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told() {
    let host = start(json!({}), Some(sqlite(None).await), &Clock::fake()).await;
    for query in ["?window=year", "?limit=0", "?window=day&since=5", "?since=yesterday", "?of=x", "?limit=%ff", "?%zz"]
    {
        assert_eq!(answer(&host, query).await.status(), 400, "{query}");
    }
    stop(host).await;
}

#[tokio::test]
async fn without_a_database_there_are_none_and_everything_else_works() {
    let host = start(json!({}), None, &Clock::fake()).await;
    send(&host, 1, "a", "", 200).await;
    assert_eq!(answer(&host, "").await.status(), 404);
    stop(host).await;
    let off = start(json!({ "analytics": { "enabled": false } }), Some(sqlite(None).await), &Clock::fake()).await;
    assert_eq!(answer(&off, "").await.status(), 404);
    stop(off).await;
}

#[tokio::test]
async fn asked_for_without_a_database_the_plugin_does_not_start() {
    let settings = json!({ "analytics": { "enabled": true } });
    let started = buntime_core::Host::builder().plugin(plugin_metrics::MetricsPlugin, settings).start().await;
    let host = match started {
        Err(problems) => return assert!(format!("{problems:?}").contains("database"), "{problems:?}"),
        Ok(host) => host,
    };
    let plugins = host.live().plugins();
    let told = format!("{:?}", plugins[0]);
    assert!(told.contains("need a database"), "{told}");
    stop(host).await;
}
