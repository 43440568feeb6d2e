//! Keys: written, read, listed, counted, deleted.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

fn keys(entries: &Value) -> Vec<Value> {
    entries.as_array().expect("a list").iter().map(|entry| entry["key"].clone()).collect()
}

#[tokio::test]
async fn a_key_is_written_read_and_deleted_in_the_originals_shapes() {
    let world = World::new().await;
    let written = world.put("/api/keys/users/7", &json!({ "name": "Ada" })).await;
    let stamp = written.ok()["versionstamp"].as_str().expect("a versionstamp").to_owned();
    assert_eq!(written.ok(), json!({ "ok": true, "versionstamp": stamp }));
    assert_eq!(written.header("etag"), format!("\"{stamp}\""));

    let read = world.get("/api/keys/users/7").await;
    assert_eq!(read.ok(), json!({ "key": ["users", 7], "value": { "name": "Ada" }, "versionstamp": stamp }));
    assert_eq!(read.header("etag"), format!("\"{stamp}\""));

    assert_eq!(world.get("/api/keys/users/8").await.error(), (404, "Key not found".to_owned()));
    // `null` is a value.
    world.put("/api/keys/nothing", &Value::Null).await.ok();
    assert_eq!(world.get("/api/keys/nothing").await.ok()["value"], Value::Null);

    // A key with all that is below it, and no sibling.
    world.put("/api/keys/user/1", &json!(1)).await.ok();
    world.put("/api/keys/user", &json!(1)).await.ok();
    assert_eq!(world.delete("/api/keys/user").await.ok(), json!({ "deletedCount": 2 }));
    assert_eq!(world.get("/api/keys/users/7").await.status, 200);
    world.put("/api/keys/users", &json!(1)).await.ok();
    assert_eq!(world.delete("/api/keys/users?exact=true").await.ok(), json!({ "deletedCount": 1 }));
    assert_eq!(world.get("/api/keys/users/7").await.status, 200);
}

#[tokio::test]
async fn any_part_of_a_key_can_be_said_in_a_path() {
    let world = World::new().await;
    for (path, key) in [
        ("a%2Fb", json!(["a/b"])),
        ("user%40x.com", json!(["user@x.com"])),
        ("user@x.com/100%25", json!(["user@x.com", "100%"])),
        ("~s7/7", json!(["7", 7])),
        ("~t/~f", json!([true, false])),
        ("~i7", json!([{ "__type": "bigint", "value": "7" }])),
        ("~bAQI", json!([{ "__type": "bytes", "value": "AQI=" }])),
        ("a/keys/b", json!(["a", "keys", "b"])),
        ("keys/keys", json!(["keys", "keys"])),
        ("~scount", json!(["count"])),
        ("batch", json!(["batch"])),
        ("%C3%A4%20%2B", json!(["ä +"])),
    ] {
        world.put(&format!("/api/keys/{path}"), &json!(path)).await.ok();
        let read = world.get(&format!("/api/keys/{path}")).await.ok();
        assert_eq!((&read["key"], &read["value"]), (&key, &json!(path)), "{path}");
        // And the same key is found by its JSON.
        let found = world.post("/api/keys/batch", &json!({ "keys": [key] })).await.ok();
        assert_eq!(found, json!([read]));
    }
    // What stands beside the keys is a key where it is no route.
    world.put("/api/keys/count", &json!("mine")).await.ok();
    assert_eq!(world.get("/api/keys/~scount").await.ok()["value"], "mine");
    assert_eq!(world.delete("/api/keys/count").await.ok()["deletedCount"], 1);
}

#[tokio::test]
async fn lists_have_bounds_limits_cursors_and_filters() {
    let world = World::new().await;
    for n in 0..5 {
        world.put(&format!("/api/keys/n/{n}"), &json!({ "n": n, "even": n % 2 == 0 })).await.ok();
    }
    world.put("/api/keys/n", &json!("the prefix itself")).await.ok();
    world.put("/api/keys/nn/1", &json!("a sibling")).await.ok();
    let list = async |query: &str| keys(&world.get(&format!("/api/keys?{query}")).await.ok());
    let n = |of: &[i32]| of.iter().map(|n| json!(["n", n])).collect::<Vec<_>>();
    assert_eq!(list("prefix=n").await, n(&[0, 1, 2, 3, 4]));
    assert_eq!(list("prefix=n&limit=2&reverse=true").await, n(&[4, 3]));
    assert_eq!(list("prefix=n&start=n/1&end=n/3").await, n(&[1, 2]));
    // Bounds outside of the prefix are bounds all the same.
    assert_eq!(list("prefix=n&start=a&end=n/2").await, n(&[0, 1]));
    assert_eq!(list("prefix=n&start=z").await, n(&[]));
    assert_eq!(list("prefix=none").await, n(&[]));
    assert_eq!(list("").await.len(), 7);

    let by = async |body: Value| keys(&world.post("/api/keys/list", &body).await.ok());
    assert_eq!(by(json!({ "prefix": ["n"], "where": { "even": true } })).await, n(&[0, 2, 4]));
    assert_eq!(
        by(json!({ "prefix": ["n"], "where": { "n": { "$gt": 0 } }, "limit": 2, "reverse": true })).await,
        n(&[4, 3])
    );
    assert_eq!(by(json!({ "prefix": [], "start": ["n", 3] })).await.len(), 3);

    let page = world.get("/api/keys/paginate?prefix=n&limit=3").await.ok();
    assert_eq!((keys(&page["entries"]), &page["hasMore"]), (n(&[0, 1, 2]), &json!(true)));
    let cursor = page["cursor"].as_str().expect("a cursor");
    let page = world.get(&format!("/api/keys/paginate?prefix=n&limit=3&cursor={cursor}")).await.ok();
    assert_eq!(keys(&page["entries"]), n(&[3, 4]));
    assert_eq!((&page["hasMore"], &page["cursor"]), (&json!(false), &Value::Null));
    let first = world.get("/api/keys?prefix=n&limit=4").await;
    assert_eq!(list(&format!("prefix=n&cursor={}", first.header("x-cursor"))).await, n(&[4]));
    assert_eq!(world.get("/api/keys?prefix=n&limit=5").await.header("x-cursor"), "");
    let elsewhere = world.get(&format!("/api/keys?prefix=nn&cursor={cursor}")).await;
    assert_eq!(elsewhere.error(), (400, "Cursor out of bounds".to_owned()));
    let page =
        world.post("/api/keys/paginate", &json!({ "prefix": ["n"], "where": { "even": true }, "limit": 2 })).await.ok();
    assert_eq!(keys(&page["entries"]), n(&[0, 2]));
    let page = json!({ "prefix": ["n"], "where": { "even": true }, "limit": 2, "cursor": page["cursor"] });
    assert_eq!(keys(&world.post("/api/keys/paginate", &page).await.ok()["entries"]), n(&[4]));

    assert_eq!(world.get("/api/keys/count?prefix=n").await.ok(), json!({ "count": 5 }));
    let even = world.post("/api/keys/count", &json!({ "prefix": ["n"], "where": { "even": true } })).await;
    assert_eq!(even.ok(), json!({ "count": 3 }));

    let batch = world.post("/api/keys/batch", &json!({ "keys": [["n", 4], ["none"], ["n", 0]] })).await.ok();
    assert_eq!(keys(&batch), [json!(["n", 4]), json!(["none"]), json!(["n", 0])]);
    assert_eq!(batch[1], json!({ "key": ["none"], "value": null, "versionstamp": null }));
}

#[tokio::test]
async fn deletes_by_filter_and_in_batches() {
    let world = World::new().await;
    for n in 0..6 {
        world.put(&format!("/api/keys/n/{n}"), &json!({ "n": n })).await.ok();
    }
    let delete = async |body: Value| world.send(world.ask(Method::DELETE, "/api/keys/n").json(&body)).await;
    assert_eq!(delete(json!({ "where": { "n": { "$gte": 4 } } })).await.ok(), json!({ "deletedCount": 2 }));
    // A mistake deletes nothing.
    for wrong in
        [json!({ "where": { "n": { "$equals": 1 } } }), json!({ "where": {} }), json!({ "exat": true }), json!([])]
    {
        assert_eq!(delete(wrong.clone()).await.status, 400, "{wrong}");
    }
    let broken = world.send(world.ask(Method::DELETE, "/api/keys/n").body("{\"exact\": tru")).await;
    assert_eq!(broken.status, 400);
    assert_eq!(world.get("/api/keys/count?prefix=n").await.ok()["count"], 4);

    let batch = async |body: Value| world.post("/api/keys/delete-batch", &body).await;
    assert_eq!(
        batch(json!({ "keys": [["n", 0], ["none"], ["n", 1]], "where": { "n": 1 } })).await.ok()["deletedCount"],
        1
    );
    assert_eq!(batch(json!({ "keys": [["n"]], "exact": true })).await.ok()["deletedCount"], 0);
    assert_eq!(batch(json!({ "keys": [["n"], ["n", 2]] })).await.ok()["deletedCount"], 3);
}

#[tokio::test]
async fn versionstamps_are_entity_tags() {
    let world = World::new().await;
    let put = async |name: &str, tag: &str, value: i32| {
        world.send(world.ask(Method::PUT, "/api/keys/a").header(name, tag).json(&value)).await
    };
    assert_eq!(put("if-match", "*", 1).await.status, 412);
    let first = put("if-none-match", "*", 1).await;
    let tag = first.header("etag").to_owned();
    assert_eq!(put("if-none-match", "*", 2).await.status, 412);
    assert_eq!(world.send(world.ask(Method::GET, "/api/keys/a").header("if-none-match", &tag)).await.status, 304);
    let second = put("if-match", &tag, 3).await;
    assert_eq!(second.status, 200);
    assert_eq!(put("if-match", &tag, 4).await.status, 412);
    let delete =
        async |tag: &str| world.send(world.ask(Method::DELETE, "/api/keys/a?exact=true").header("if-match", tag)).await;
    assert_eq!(delete(&tag).await.status, 412);
    assert_eq!(delete(second.header("etag")).await.ok()["deletedCount"], 1);
    assert_eq!(delete("*").await.status, 412);
    let below = world.send(world.ask(Method::DELETE, "/api/keys/a").header("if-match", "*")).await;
    assert_eq!(below.status, 400);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let world = World::new().await;
    let long = "x".repeat(3000);
    let large = json!("x".repeat(70_000));
    let mut said = Vec::new();
    let mut say = |what: &str, (status, words): (u16, String)| said.push(format!("{what}: {status} {words}"));
    say("no key", world.get("/api/keys/~").await.error());
    say("no body", world.send(world.ask(Method::PUT, "/api/keys/a")).await.error());
    say("no JSON", world.send(world.ask(Method::PUT, "/api/keys/a").body("{")).await.error());
    say("expiresIn", world.put("/api/keys/a?expiresIn=-5", &json!(1)).await.error());
    say("unknown parameter", world.put("/api/keys/a?expires=5", &json!(1)).await.error());
    say("unknown type", world.put("/api/keys/a", &json!({ "__type": "blob" })).await.error());
    say("limit", world.get("/api/keys?limit=0").await.error());
    say("long key", world.put(&format!("/api/keys/{long}"), &json!(1)).await.error());
    say("large value", world.put("/api/keys/a", &large).await.error());
    say("large body", world.put("/api/keys/a", &json!("x".repeat(9 << 20))).await.error());
    say("unknown member", world.post("/api/keys/list", &json!({ "prefx": ["a"] })).await.error());
    say("unknown operator", world.post("/api/keys/list", &json!({ "where": { "a": { "$equals": 1 } } })).await.error());
    say("keys", world.post("/api/keys/batch", &json!({ "keys": [["a"], []] })).await.error());
    say("no route", world.get("/api/nothing").await.error());
    say("method", world.send(world.ask(Method::PATCH, "/api/keys/a")).await.error());
    say("namespace", world.get("/ns/Shop!/api/keys/a").await.error());
    insta::assert_snapshot!(said.join("\n"));
    let other = world.send(world.ask(Method::PATCH, "/api/keys/a")).await;
    assert_eq!(other.header("allow"), "GET,HEAD,PUT,DELETE");
    let problem = world.get("/api/keys/none").await;
    assert_eq!(problem.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn entries_expire_and_namespaces_are_apart() {
    let world = World::new().await;
    world.put("/api/keys/short?expiresIn=1", &json!(1)).await.ok();
    // When it is gone is said, and taken as it was said.
    world.put("/api/keys/timed?expiresIn=3600000", &json!(1)).await.ok();
    let at = world.get("/api/keys/timed").await.ok()["expiresAt"].as_u64().expect("a time");
    world.put(&format!("/api/keys/timed?expiresAt={at}"), &json!(2)).await.ok();
    assert_eq!(world.get("/api/keys/timed").await.ok()["expiresAt"], at);
    for wrong in ["expiresAt=soon", "expiresAt=7&expiresIn=7"] {
        assert_eq!(world.put(&format!("/api/keys/timed?{wrong}"), &json!(2)).await.status, 400);
    }
    world.put("/api/keys/timed", &json!(3)).await.ok();
    assert!(world.get("/api/keys/timed").await.ok().get("expiresAt").is_none());
    // Who only reads makes none.
    for path in ["keys/a", "keys?prefix=a", "tree", "queue/stats"] {
        assert_eq!(world.get(&format!("/ns/shop/api/{path}")).await.status, 404, "{path}");
    }
    world.put("/ns/shop/api/keys/a", &json!("shop")).await.ok();
    assert_eq!(world.get("/api/keys/a").await.status, 404);
    assert_eq!(world.get("/ns/shop/api/keys/a").await.ok()["value"], "shop");
    buntime_testing::eventually("it expires", async || world.get("/api/keys/short").await.status == 404).await;
    let unknown = world.get("/api/keys/a").await;
    assert_eq!(unknown.status, 404);
    for token in [None, Some("another")] {
        assert_eq!(world.send(world.ask_with(token, Method::GET, "/api/keys/a")).await.error().0, 401);
    }
}

/// More than one commit takes: a deletion of one key goes on, one of several does not begin.
#[tokio::test]
async fn very_much_is_deleted_in_parts_or_refused_whole() {
    let world = World::new().await;
    let line = |n: usize| format!("{{\"key\":[\"much\",{n}],\"value\":{n}}}\n");
    let lines: String = (0..10_500).map(line).collect();
    world.send(world.ask(Method::POST, "/api/import").body(lines)).await.ok();
    let batch = async |body: Value| world.post("/api/keys/delete-batch", &body).await.error();
    let refused = (413, "Too many entries (max 10000)".to_owned());
    assert_eq!(batch(json!({ "keys": [["much"]] })).await, refused);
    assert_eq!(batch(json!({ "keys": [["much"]], "where": { "$": { "$gte": 0 } } })).await.0, 413);
    assert_eq!(world.get("/api/keys/count?prefix=much").await.ok()["count"], 10_500);
    let some =
        world.send(world.ask(Method::DELETE, "/api/keys/much").json(&json!({ "where": { "$": { "$lt": 200 } } })));
    assert_eq!(some.await.ok()["deletedCount"], 200);
    assert_eq!(world.delete("/api/keys/much").await.ok()["deletedCount"], 10_300);
}

#[tokio::test]
async fn what_is_too_large_for_one_answer_comes_in_shorter_pages() {
    let world = World::narrow(256 << 10).await;
    let keys: Vec<Value> = (0..10).map(|n| json!(["l", n])).collect();
    for n in 0..10 {
        world.put(&format!("/api/keys/l/{n}"), &json!("x".repeat(60_000))).await.ok();
    }
    let (mut seen, mut lists, mut cursor) = (Vec::new(), 0, String::new());
    while seen.is_empty() || !cursor.is_empty() {
        let list = world.get(&format!("/api/keys?prefix=l&limit=10&cursor={cursor}")).await;
        seen.extend(list.ok().as_array().unwrap().iter().map(|entry| entry["key"].clone()));
        cursor = list.header("x-cursor").to_owned();
        lists += 1;
    }
    assert_eq!(seen, keys);
    assert!(lists == 1, "a list goes on by itself while it is small: {lists}");
    let page = world.get("/api/keys/paginate?prefix=l&limit=10").await.ok();
    assert!(page["hasMore"] == true && page["entries"].as_array().unwrap().len() < 10, "{}", page["hasMore"]);
    let (status, words) = world.post("/api/keys/batch", &json!({ "keys": keys })).await.error();
    assert_eq!((status, words.as_str()), (413, "That is more than can be read or written at once; ask for less"));
}

#[tokio::test]
async fn there_are_so_many_namespaces_and_bytes_of_a_body() {
    let world = World::with(json!({ "maxNamespaces": 1 })).await;
    world.put("/ns/one/api/keys/a", &json!(1)).await.ok();
    let refused = (507, "There are 1 namespaces already".to_owned());
    assert_eq!(world.put("/ns/two/api/keys/a", &json!(1)).await.error(), refused);
    let connect = async |path: &str, body: Vec<u8>| {
        let answer = world.send(world.ask(Method::POST, path).body(body)).await;
        (answer.status, answer.body)
    };
    assert_eq!(connect("/ns/two", Vec::new()).await, (409, refused.1));
    let large = "The body is too large (max 2097152 bytes)".to_owned();
    assert_eq!(connect("/connect/one/atomic_write", vec![0; (2 << 20) + 1]).await, (413, large));
}
