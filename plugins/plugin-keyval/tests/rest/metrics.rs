//! Metrics, and what OpenAPI says.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

/// Every operation that is said is there: no route answers that there is no such route, or that it takes other methods.
#[tokio::test]
async fn what_openapi_says_is_there() {
    let world = World::new().await;
    let fragments = world.openapi();
    let mut asked = 0;
    for (path, operations) in fragments.iter().filter_map(|fragment| fragment["paths"].as_object()).flatten() {
        if !path.starts_with("/api/") {
            continue;
        }
        for method in operations.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            // Streams do not end; what is asked here is only who answers.
            let path = path.replace("{path}", "a").replace("{id}", "b");
            let answer = world.ask(method.clone(), &path).send().await.unwrap();
            asked += 1;
            assert_ne!(answer.status(), 405, "{method} {path}");
            if answer.status() == 404 {
                let problem: Value = answer.json().await.unwrap();
                assert!(!problem["error"].as_str().unwrap().starts_with("There is no such route"), "{method} {path}");
            }
        }
    }
    assert!(asked > 35, "{asked}");
}

#[tokio::test]
async fn operations_queues_and_storage_are_measured() {
    let world = World::new().await;
    world.put("/api/keys/a", &json!("x")).await.ok();
    world.get("/api/keys/a").await.ok();
    world.get("/api/keys?limit=5").await.ok();
    world.post("/api/queue/enqueue", &json!({ "value": 1 })).await.ok();
    world.post("/api/atomic", &json!({ "mutations": [{ "type": "sum", "key": ["a"], "value": 1 }] })).await.error();
    let metrics = world.get("/api/metrics").await.ok();
    let operations = &metrics["operations"]["operations"];
    assert_eq!((&operations["get"]["count"], &operations["get"]["errors"]), (&json!(1), &json!(0)));
    assert!(operations["set"]["avgLatencyMs"].as_f64().is_some());
    assert_eq!(operations["atomic_commit"]["errors"], 1);
    assert_eq!(metrics["operations"]["totals"], json!({ "errors": 1, "operations": 5 }));
    assert_eq!(metrics["queue"], json!({ "dlq": 0, "pending": 1, "processing": 0, "total": 1 }));
    assert_eq!(metrics["storage"]["entries"], 1);
    assert!(metrics["storage"]["sizeBytes"].as_u64().is_some_and(|bytes| bytes > 0));

    let text = world.get("/api/metrics/prometheus").await;
    assert!(text.header("content-type").starts_with("text/plain; version=0.0.4"));
    for line in [
        "keyval_operations_total{operation=\"get\"} 1",
        "keyval_errors_total{operation=\"atomic_commit\"} 1",
        "# TYPE keyval_operation_duration_seconds histogram",
        "keyval_operation_duration_seconds_count{operation=\"set\"} 1",
        "keyval_operation_duration_seconds_bucket{operation=\"get\",le=\"+Inf\"} 1",
        "keyval_queue_pending 1",
        "keyval_entries_total 1",
    ] {
        assert!(text.body.lines().any(|one| one == line), "no `{line}` in\n{}", text.body);
    }
}
