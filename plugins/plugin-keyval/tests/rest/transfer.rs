//! Export and import.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn what_is_exported_is_imported_as_it_was() {
    let world = World::new().await;
    for n in 0..1200 {
        let value = json!({ "n": n, "big": { "__type": "bigint", "value": "123456789012345678901234567890" }, "at": { "__type": "date", "value": 5 } });
        world.post("/api/atomic", &json!({ "mutations": [{ "type": "set", "key": ["a", n, true, { "__type": "bytes", "value": "AQI=" }], "value": value }] })).await.ok();
    }
    world.put("/api/keys/a/short?expiresIn=3600000", &json!(1)).await.ok();
    world.put("/api/keys/b", &json!("not asked for")).await.ok();
    let export = world.get("/api/export?prefix=a").await;
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    assert_eq!(lines(&export.body).len(), 1201);

    let import = world.send(world.ask(Method::POST, "/ns/copy/api/import").body(export.body.clone())).await.ok();
    assert_eq!((&import["ok"], &import["imported"]), (&json!(true), &json!(1201)));
    let without = |text: &str| -> Vec<Value> {
        lines(text)
            .into_iter()
            .map(|mut line| {
                line.as_object_mut().unwrap().remove("versionstamp");
                line
            })
            .collect()
    };
    assert_eq!(without(&world.get("/ns/copy/api/export").await.body), without(&export.body));
    // What has expired meanwhile is not brought back.
    let old = json!({ "key": ["old"], "value": 1, "expiresAt": 5 }).to_string();
    assert_eq!(world.send(world.ask(Method::POST, "/api/import").body(old)).await.ok()["imported"], 0);
}

#[tokio::test]
async fn a_line_that_is_wrong_is_named_and_what_was_before_it_stays() {
    let world = World::new().await;
    let mut text = String::new();
    for n in 0..700 {
        text.push_str(&json!({ "key": ["n", n], "value": n }).to_string());
        text.push('\n');
    }
    text.push_str("\n{\"key\":[\"n\",");
    let (status, words) = world.send(world.ask(Method::POST, "/api/import").body(text)).await.error();
    assert_eq!(status, 400);
    assert!(
        words.starts_with("Line 702: The body is not JSON") && words.ends_with("500 entries before it were imported"),
        "{words}"
    );
    assert_eq!(world.get("/api/keys/count?prefix=n").await.ok()["count"], 500);
    let long = format!("{{\"key\":[\"a\"],\"value\":\"{}\"}}", "x".repeat(9 << 20));
    assert_eq!(world.send(world.ask(Method::POST, "/api/import").body(long)).await.status, 413);
}
