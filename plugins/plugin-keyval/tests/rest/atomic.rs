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

    assert_eq!(world.post("/api/atomic", &write).await.ok(), json!({ "ok": false, "failedChecks": [0] }));
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
        json!({ "type": "set", "key": ["a"], "value": 1, "strict": true }),
        json!({ "type": "sum", "key": ["a"], "value": 1, "limits": { "max": 9 } }),
        json!({ "type": "set", "key": ["a"], "value": 1, "expiresIn": 5, "expiresAt": 5 }),
        json!({ "type": "enqueue", "value": 1, "expiresAt": 5 }),
        json!({ "type": "sum", "key": ["text"], "value": 5, "strict": true }),
        json!({ "type": "sum", "key": ["a"], "value": 5, "strict": true, "limits": { "max": 4 } }),
        json!({ "type": "enqueue", "value": 1, "options": { "queue": "q".repeat(257) } }),
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

#[tokio::test]
async fn numbers_may_be_held_to_their_types_and_limits_and_keys_made_of_the_commit() {
    let world = World::new().await;
    let write = json!({ "mutations": [
        { "type": "sum", "key": ["n"], "value": 5, "strict": true, "limits": { "min": 0, "max": 7 } },
        { "type": "sum", "key": ["n"], "value": 5, "strict": true, "limits": { "max": 7, "clamp": true } },
        { "type": "max", "key": ["big"], "value": { "__type": "bigint", "value": "5" }, "strict": true },
        { "type": "min", "key": ["big"], "value": { "__type": "bigint", "value": "3" }, "strict": true },
        { "type": "set", "key": ["late"], "value": 1, "expiresAt": 4_102_444_800_000_u64 },
        { "type": "set", "key": ["over"], "value": 1, "expiresAt": 1 },
        { "type": "setSuffixVersionstampedKey", "key": ["log"], "value": { "__type": "v8", "value": "/w9JAg==" } },
    ] });
    let stamp = world.post("/api/atomic", &write).await.ok()["versionstamp"].clone();
    let lines = world.get("/api/export").await.body;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let big = json!({ "__type": "bigint", "value": "3" });
    let entry = |key: Value, value: Value| json!({ "key": key, "value": value, "versionstamp": stamp });
    let mut late = entry(json!(["late"]), json!(1));
    late["expiresAt"] = json!(4_102_444_800_000_u64);
    let log = entry(json!(["log", stamp]), json!(1));
    assert_eq!(lines, [entry(json!(["big"]), big), late, log, entry(json!(["n"]), json!(7))]);
}

/// Programs read which error it is from a header, on both faces.
#[tokio::test]
async fn what_is_refused_has_a_name() {
    let world = World::new().await;
    let named = async |path: &str, body: Value| {
        let answer = world.post(path, &body).await;
        (answer.status, answer.header("x-keyval-error").to_owned())
    };
    let step = |step: Value| json!({ "mutations": [step] });
    world.put("/api/keys/text", &json!("hello")).await.ok();
    for (path, body, status, code) in [
        ("/api/atomic", step(json!({ "type": "sum", "key": ["text"], "value": 5 })), 400, "type_mismatch"),
        ("/api/atomic", step(json!({ "type": "set", "key": [null], "value": 5 })), 400, "invalid_key"),
        ("/api/atomic", step(json!({ "type": "set", "key": [], "value": 5 })), 400, "invalid_key"),
        ("/api/atomic", step(json!({ "type": "set", "key": ["a"], "value": { "__type": "?" } })), 400, "invalid_value"),
        ("/api/atomic", step(json!({ "type": "set", "key": ["a"], "value": "x".repeat(70_000) })), 413, "limit"),
        ("/api/atomic", step(json!({ "type": "set", "key": ["a"], "value": "x".repeat(9 << 20) })), 413, "limit"),
        ("/api/atomic", json!({ "check": [] }), 400, ""),
        ("/api/search", json!({ "prefix": ["a"], "query": "b" }), 404, "no_index"),
        ("/api/queue/dlq/none/requeue", Value::Null, 404, "no_dead_letter"),
    ] {
        assert_eq!(named(path, body).await, (status, code.to_owned()), "{path} {code}");
    }
    let large = world.post("/api/atomic", &step(json!({ "value": "x".repeat(9 << 20) }))).await.error();
    assert_eq!(large, (413, "The body is too large (max 8388608 bytes)".to_owned()));
}
