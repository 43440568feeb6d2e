//! Queues.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn a_message_goes_through_its_life_in_the_originals_shapes() {
    let world = World::new().await;
    let sent = world
        .post("/api/queue/enqueue", &json!({ "value": { "to": "ada" }, "options": { "backoffSchedule": [0] } }))
        .await
        .ok();
    let id = sent["id"].as_str().expect("an id").to_owned();
    assert_eq!(sent, json!({ "ok": true, "id": id }));
    let stats = async || world.get("/api/queue/stats").await.ok();
    let counts = |stats: &Value| {
        [&stats["pending"], &stats["processing"], &stats["dlq"], &stats["total"]].map(|n| n.as_u64().unwrap())
    };
    assert_eq!(counts(&stats().await), [1, 0, 0, 1]);

    let message = world.get("/api/queue/poll").await.ok()["message"].clone();
    assert_eq!(
        (&message["id"], &message["value"], &message["attempts"]),
        (&json!(id), &json!({ "to": "ada" }), &json!(1))
    );
    assert_eq!(counts(&stats().await), [0, 1, 0, 1]);
    assert_eq!(world.get("/api/queue/poll").await.ok(), json!({ "message": null }));

    // As the original's client sends it: by the id alone.
    assert_eq!(world.post("/api/queue/nack", &json!({ "id": id })).await.ok(), json!({ "ok": true }));
    let again = world.get("/api/queue/poll?wait=10s").await.ok()["message"].clone();
    assert_eq!((&again["id"], &again["attempts"]), (&json!(id), &json!(2)));
    world.post("/api/queue/nack", &json!({ "id": id, "reason": "no such address" })).await.ok();
    assert_eq!(counts(&stats().await), [0, 0, 1, 1]);

    let letters = world.get("/api/queue/dlq?limit=10").await.ok();
    let letter = letters[0].clone();
    assert_eq!(
        (&letter["originalId"], &letter["attempts"], &letter["errorMessage"]),
        (&json!(id), &json!(2), &json!("no such address"))
    );
    assert_eq!(letter["value"], json!({ "to": "ada" }));
    assert!(letter["failedAt"].as_u64() >= letter["originalCreatedAt"].as_u64());
    let path = format!("/api/queue/dlq/{}", letter["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.ok(), letter);
    let requeued = world.post(&format!("{path}/requeue"), &Value::Null).await.ok();
    assert_eq!(requeued["id"], requeued["newId"]);
    assert_eq!(world.get(&path).await.error(), (404, "Message not found in DLQ".to_owned()));
    assert_eq!(world.post(&format!("{path}/requeue"), &Value::Null).await.status, 404);
    assert_eq!(world.delete(&path).await.ok(), json!({ "ok": true, "deleted": false }));
    assert_eq!(world.delete("/api/queue/dlq").await.ok(), json!({ "deletedCount": 0 }));

    let new = world.get("/api/queue/poll").await.ok()["message"]["id"].clone();
    assert_eq!(new, requeued["id"]);
    assert_eq!(world.post("/api/queue/ack", &json!({ "id": new })).await.ok(), json!({ "ok": true }));
    assert_eq!(world.post("/api/queue/ack", &json!({ "id": "unknown" })).await.ok(), json!({ "ok": true }));
    assert_eq!(counts(&stats().await), [0, 0, 0, 0]);
    let wrong = world.post("/api/queue/ack", &json!({ "id": 5 })).await.error();
    assert_eq!(wrong, (400, "id must be a non-empty string".to_owned()));
}

#[tokio::test]
async fn queues_have_names_priorities_dedup_keys_batches_and_leases() {
    let world = World::new().await;
    let messages: Vec<Value> = [(0, "low"), (9, "high"), (5, "middle")]
        .iter()
        .map(|(priority, value)| json!({ "value": value, "options": { "queue": "mail", "priority": priority } }))
        .collect();
    let ids = world.post("/api/queue/enqueue", &json!({ "messages": messages })).await.ok();
    assert_eq!(ids["ids"].as_array().map(Vec::len), Some(3));
    let got = world.get("/api/queue/poll?queue=mail&max=2&lease=60s").await.ok();
    let values: Vec<&Value> = got["messages"].as_array().unwrap().iter().map(|message| &message["value"]).collect();
    assert_eq!(values, ["high", "middle"]);
    let (high, middle) = (&got["messages"][0], &got["messages"][1]);

    // Only who has the lease ends it, if it is told.
    let stolen = json!({ "id": high["id"], "lease": "another" });
    for route in ["ack", "nack", "extend"] {
        assert_eq!(world.post(&format!("/api/queue/{route}"), &stolen).await.error().0, 409, "{route}");
    }
    let longer = json!({ "id": high["id"], "lease": high["lease"], "by": "5m" });
    let longer = world.post("/api/queue/extend", &longer).await.ok();
    assert!(longer["leasedUntil"].as_u64() > high["leasedUntil"].as_u64());
    let both = json!({ "messages": [
        { "id": high["id"], "lease": high["lease"] }, { "id": middle["id"], "lease": middle["lease"] }, { "id": "unknown" },
    ] });
    assert_eq!(world.post("/api/queue/ack", &both).await.ok(), json!({ "ok": true, "finished": [true, true, false] }));
    let stats = world.get("/api/queue/stats?queue=mail").await.ok();
    assert_eq!(stats["queues"], json!([{ "queue": "mail", "dlq": 0, "pending": 1, "processing": 0, "total": 1 }]));

    let once = json!({ "value": 1, "options": { "queue": "once", "dedupKey": "a" } });
    let (first, second) =
        (world.post("/api/queue/enqueue", &once).await.ok(), world.post("/api/queue/enqueue", &once).await.ok());
    assert_eq!(first["id"], second["id"]);
    let undelivered =
        json!({ "value": "lost", "options": { "backoffSchedule": [], "keysIfUndelivered": [["failed", 1]] } });
    world.post("/api/queue/enqueue", &undelivered).await.ok();
    let id = world.get("/api/queue/poll").await.ok()["message"]["id"].clone();
    world.post("/api/queue/nack", &json!({ "id": id })).await.ok();
    assert_eq!(world.get("/api/keys/failed/1").await.ok()["value"], "lost");

    world
        .post("/api/queue/enqueue", &json!({ "value": "later", "options": { "delay": 3_600_000, "queue": "later" } }))
        .await
        .ok();
    assert_eq!(world.get("/api/queue/poll?queue=later&max=5").await.ok(), json!({ "message": null, "messages": [] }));
}

#[tokio::test]
async fn a_page_of_somebody_else_takes_no_messages() {
    let world = World::new().await;
    for path in ["/api/queue/poll", "/api/queue/listen"] {
        let request = world.ask(Method::GET, path).header("sec-fetch-site", "cross-site");
        assert_eq!(world.send(request).await.error().0, 403);
        let own = world.ask(Method::GET, path).header("sec-fetch-site", "same-origin").send().await.unwrap();
        assert_eq!(own.status(), 200);
    }
}

#[tokio::test]
async fn a_listener_gets_what_it_can_carry_and_the_rest_goes_to_others() {
    let world = World::with(json!({ "keepAlive": "1s" })).await;
    let messages: Vec<Value> = (0..10).map(|n| json!({ "value": n })).collect();
    world.post("/api/queue/enqueue", &json!({ "messages": messages })).await.ok();
    let mut one = world.events("/api/queue/listen?prefetch=2").await;
    let mut carried = vec![one.next("message").await, one.next("message").await];
    // It has two, and is sent no third: a sign of life instead.
    assert_eq!(one.any().await.expect("it goes on").name, "ping");
    let mut values = Vec::new();
    while values.len() < 8 {
        let event = carried.remove(0);
        assert_eq!(event.id.as_deref(), event.json()["id"].as_str());
        values.push(event.json()["value"].as_u64().unwrap());
        world.post("/api/queue/ack", &json!({ "id": event.id })).await.ok();
        carried.push(one.next("message").await);
    }
    assert_eq!(values, (0..8).collect::<Vec<_>>());
    // What it was sent is leased to it; what it was not sent is not.
    drop(one);
    let stats = world.get("/api/queue/stats").await.ok();
    assert_eq!((&stats["processing"], &stats["pending"]), (&json!(2), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_messages_come_once_each_to_listeners_that_finish_them_in_batches() {
    const ALL: usize = 5000;
    let world = World::new().await;
    for some in (0..ALL).collect::<Vec<_>>().chunks(500) {
        let messages: Vec<Value> = some.iter().map(|n| json!({ "value": n })).collect();
        world.post("/api/queue/enqueue", &json!({ "messages": messages })).await.ok();
    }
    let begun = std::time::Instant::now();
    let mut events = world.events("/api/queue/listen?prefetch=1000").await;
    let mut seen = Vec::with_capacity(ALL);
    let mut unfinished = Vec::new();
    while seen.len() < ALL {
        let message = events.next("message").await.json();
        seen.push(usize::try_from(message["value"].as_u64().unwrap()).unwrap());
        unfinished.push(json!({ "id": message["id"], "lease": message["lease"] }));
        if unfinished.len() == 250 {
            let done = std::mem::take(&mut unfinished);
            world.post("/api/queue/ack", &json!({ "messages": done })).await.ok();
        }
    }
    let took = begun.elapsed();
    assert_eq!(seen, (0..ALL).collect::<Vec<_>>());
    let left = world.get("/api/queue/stats").await.ok()["total"].clone();
    assert_eq!(left, 0, "after {took:?}");
}
