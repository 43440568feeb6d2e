//! Atomic writes.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn all_happens_in_one_commit_or_nothing_does() {
    let world = World::new().await;
    let write = json!({
        "checks": [{ "key": ["a"], "versionstamp": null }, { "key": ["b"] }],
        "mutations": [
            { "type": "set", "key": ["a"], "value": { "n": { "__type": "bigint", "value": "5" } } },
            { "type": "set", "key": ["null"], "value": null },
            { "type": "sum", "key": ["sum"], "value": { "__type": "bigint", "value": "5" } },
            { "type": "append", "key": ["list"], "value": [{ "a": true }, "x"] },
            { "type": "prepend", "key": ["list"], "value": [0] },
            { "type": "enqueue", "value": "hello", "options": { "queue": "mail" } },
        ],
    });
    let first = world.post("/api/atomic", &write).await.ok();
    let stamp = first["versionstamp"].clone();
    assert_eq!(first, json!({ "ok": true, "versionstamp": stamp }));
    let keys = json!({ "keys": [["a"], ["null"], ["sum"], ["list"]] });
    let found = world.post("/api/keys/batch", &keys).await.ok();
    let values: Vec<&Value> = found.as_array().unwrap().iter().map(|entry| &entry["value"]).collect();
    let a = json!({ "n": { "__type": "bigint", "value": "5" } });
    assert_eq!(values, [&a, &Value::Null, &json!(5), &json!([0, { "a": true }, "x"])]);
    assert!(found.as_array().unwrap().iter().all(|entry| entry["versionstamp"] == stamp));
    assert_eq!(world.get("/api/queue/poll?queue=mail").await.ok()["message"]["value"], "hello");

    assert_eq!(world.post("/api/atomic", &write).await.ok(), json!({ "ok": false }));
    assert_eq!(world.get("/api/queue/poll?queue=mail").await.ok(), json!({ "message": null }));
    let delete = json!({ "checks": [{ "key": ["a"], "versionstamp": stamp }], "mutations": [{ "type": "delete", "key": ["a"] }] });
    assert_eq!(world.post("/api/atomic", &delete).await.ok()["ok"], true);
    assert_eq!(world.get("/api/keys/a").await.status, 404);
    // Nothing is a write too.
    assert_eq!(world.post("/api/atomic", &json!({})).await.ok()["ok"], true);
}

#[tokio::test]
async fn what_cannot_be_done_undoes_everything_and_is_said() {
    let world = World::new().await;
    world.put("/api/keys/text", &json!("hello")).await.ok();
    let mut said = Vec::new();
    for step in [
        json!({ "type": "increment", "key": ["a"], "value": 1 }),
        json!({ "type": "set", "key": ["a"] }),
        json!({ "type": "set", "key": [], "value": 1 }),
        json!({ "type": "sum", "key": ["text"], "value": 5 }),
        json!({ "type": "sum", "key": ["a"], "value": "five" }),
        json!({ "type": "append", "key": ["text"], "value": [1] }),
        json!({ "type": "append", "key": ["a"], "value": 1 }),
        json!({ "type": "enqueue" }),
        json!({ "type": "enqueue", "value": 1, "options": { "priority": 10 } }),
        json!({ "type": "enqueue", "value": 1, "options": { "delay": "soon" } }),
        json!({ "type": "set", "key": ["a"], "value": 1, "expiresIn": 0 }),
        json!({ "type": "set", "key": ["a"], "value": 1, "options": {} }),
        json!({ "type": "append", "key": ["a"], "value": ["x".repeat(66_000)] }),
    ] {
        let mutations = json!([{ "type": "set", "key": ["before"], "value": 1 }, step]);
        let (status, words) = world.post("/api/atomic", &json!({ "mutations": mutations })).await.error();
        said.push(format!("{status} {words}"));
    }
    let check = json!({ "checks": [{ "key": ["a"], "versionstamp": "yesterday" }] });
    let (status, words) = world.post("/api/atomic", &check).await.error();
    said.push(format!("{status} {words}"));
    insta::assert_snapshot!(said.join("\n"));
    assert_eq!(world.get("/api/keys/before").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_many_change_the_same() {
    let world = World::new().await;
    world.put("/api/keys/list?expiresIn=3600000", &json!([])).await.ok();
    let writers = (0..8).map(|writer| {
        let world = &world;
        async move {
            for n in 0..10 {
                let write = json!({ "mutations": [
                    { "type": if n % 2 == 0 { "append" } else { "prepend" }, "key": ["list"], "value": [[writer, n]] },
                    { "type": "sum", "key": ["count"], "value": { "__type": "bigint", "value": "1" } },
                ] });
                world.post("/api/atomic", &write).await.ok();
            }
        }
    });
    futures_util::future::join_all(writers).await;
    let list = world.get("/api/keys/list").await.ok();
    let mut items: Vec<String> = list["value"].as_array().unwrap().iter().map(Value::to_string).collect();
    items.sort();
    items.dedup();
    assert_eq!(items.len(), 80);
    assert_eq!(world.get("/api/keys/count/").await.status, 200);
    assert_eq!(world.get("/api/keys/~scount").await.ok()["value"], 80);
    // And the list's time is still running.
    let line = world.get("/api/export?prefix=&start=list").await;
    let line: Value = serde_json::from_str(line.body.lines().next().unwrap()).unwrap();
    assert_eq!(line["key"], json!(["list"]));
    assert!(line["expiresAt"].as_u64().is_some(), "{line}");
}
