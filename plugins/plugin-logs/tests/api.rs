//! The REST API: queries, figures, adding, clearing, and what is refused.

mod common;

use axum::{body::Body, http::Request};
use common::Fixture;
use serde_json::json;

#[tokio::test]
async fn an_exchange_leaves_one_line() {
    let fixture = Fixture::start(json!({ "query": true })).await;
    let request =
        Request::get("/fine?page=2&token=hunter2").header("user-agent", "test/1").header("x-request-id", "r-1");
    common::text(fixture.send(request.body(Body::empty()).unwrap()).await).await;
    let answer = fixture.json("/p/logs/api/logs?requestId=r-1").await;
    let entry = &answer["logs"][0];
    assert_eq!(answer["logs"].as_array().unwrap().len(), 1);
    assert!(entry["message"].as_str().unwrap().starts_with("GET /fine?page=2&token=*** 200 "), "{entry}");
    for (pointer, expected) in [
        ("/level", json!("info")),
        ("/source", json!("access")),
        ("/requestId", json!("r-1")),
        ("/status", json!(200)),
        ("/meta/method", json!("GET")),
        ("/meta/path", json!("/fine")),
        ("/meta/bytesOut", json!(4)),
        ("/meta/userAgent", json!("test/1")),
        ("/meta/ended", json!("whole")),
    ] {
        assert_eq!(entry.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(answer["stats"]["counts"]["info"], 1);
    assert!(answer["stats"]["newest"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn queries_find_what_they_ask_for() {
    let fixture = Fixture::start(json!({})).await;
    fixture.add("debug", "first thing").await;
    fixture.add("error", "Second thing").await;
    fixture.get("/broken").await;
    fixture.get("/fine").await;
    assert_eq!(fixture.messages("search=thing").await, ["Second thing", "first thing"]);
    assert_eq!(fixture.messages("search=THING&level=warn").await, ["Second thing"]);
    assert_eq!(fixture.messages("search=thing&limit=1").await, ["Second thing"]);
    assert_eq!(fixture.messages("status=5xx").await.len(), 1);
    assert_eq!(fixture.messages("status=200-299").await.len(), 1);
    assert_eq!(fixture.messages("level=error").await.len(), 2, "a server error is an error");
    assert_eq!(fixture.messages("until=1h").await.len(), 0);
    assert_eq!(fixture.messages("since=1h").await.len(), 4);
    assert_eq!(fixture.messages("plugin=proxy").await.len(), 0);
    let stats = fixture.json("/p/logs/api/stats").await;
    assert_eq!(stats["counts"], json!({ "trace": 0, "debug": 1, "info": 1, "warn": 0, "error": 2 }));
    assert_eq!(stats["total"], 4);
    assert_eq!(fixture.post("/p/logs/api/clear", "").await, (200, r#"{"success":true}"#.to_owned()));
    assert_eq!(fixture.messages("").await.len(), 0);
}

#[tokio::test]
async fn bad_input_is_told_what_is_allowed() {
    let fixture = Fixture::start(json!({})).await;
    let (status, body) = fixture.get("/p/logs/api/logs?level=loud&sttus=1").await;
    assert_eq!(status, 400);
    assert!(body.contains("trace, debug, info, warn, error") && body.contains("requestId"), "{body}");
    assert_eq!(fixture.get("/p/logs/api/sse?limit=x").await.0, 400);
    let big = json!({ "level": "info", "message": "x".repeat(70_000) }).to_string();
    let many: serde_json::Map<_, _> = (0..65).map(|n| (n.to_string(), json!(n))).collect();
    for (body, expected, words) in [
        ("{".to_owned(), 400, "as JSON"),
        (json!({ "level": "loud", "message": "x" }).to_string(), 400, "unknown variant `loud`"),
        (json!({ "level": "info" }).to_string(), 400, "missing field `message`"),
        (json!({ "level": "info", "message": "x", "mesage": 1 }).to_string(), 400, "unknown field"),
        (json!({ "level": "info", "message": "x".repeat(9000) }).to_string(), 400, "8192"),
        (json!({ "level": "info", "message": "x", "source": "y".repeat(129) }).to_string(), 400, "128"),
        (json!({ "level": "info", "message": "x", "meta": many }).to_string(), 400, "64 fields"),
        (big, 413, "65536"),
    ] {
        let (status, answer) = fixture.post("/p/logs/api", body).await;
        assert_eq!(status, expected, "{answer}");
        assert!(answer.contains(words), "{words} in {answer}");
    }
    assert_eq!(fixture.messages("").await.len(), 0);
}

#[tokio::test]
async fn what_is_turned_off_is_absent() {
    let fixture = Fixture::start(json!({ "access": false })).await;
    fixture.get("/fine").await;
    assert_eq!(fixture.messages("").await.len(), 0);
    let fixture = Fixture::start(json!({ "userAgent": false, "maxEntries": 2 })).await;
    for _ in 0..3 {
        let request = Request::get("/fine?a=1").header("user-agent", "test/1").body(Body::empty()).unwrap();
        common::text(fixture.send(request).await).await;
    }
    let answer = fixture.json("/p/logs/api").await;
    assert_eq!(answer["logs"].as_array().unwrap().len(), 2);
    assert!(!answer.to_string().contains("test/1") && !answer.to_string().contains("a=1"));
}

#[tokio::test]
async fn the_ring_survives_a_restart() {
    let fixture = Fixture::start(json!({})).await;
    fixture.add("info", "before").await;
    fixture.host.restart(&"logs".into()).await.unwrap();
    fixture.add("info", "after").await;
    assert_eq!(fixture.messages("").await, ["after", "before"]);
}
