//! Rules of the database: added, changed, ordered and switched by the API, kept, and shared by nodes.

use std::{path::Path, sync::Arc};

use axum::{Router, body::Body, routing::get as route};
use buntime_core::services::Services;
use buntime_database::{
    Adapter, Registry, Statement, args,
    sqlite::{Options, Sqlite},
};
use buntime_testing::{FakeUpstream, TestRuntime, eventually};
use http::{HeaderMap, StatusCode};
use plugin_proxy::ProxyPlugin;
use serde_json::{Value, json};

use crate::support::{get, request, send, whole};

/// A node, and its database.
struct Node {
    runtime: TestRuntime,
    registry: Arc<Registry>,
}

impl Node {
    async fn start(dir: &Path, settings: Value) -> Self {
        let sqlite = Sqlite::open(Options::in_dir(dir)).await.unwrap();
        let registry = Arc::new(Registry::builder().add(Arc::new(sqlite), true).build().unwrap());
        let services = Services::default();
        services.provide::<Registry>(registry.clone());
        let runtime = TestRuntime::builder().services(services).plugin(ProxyPlugin, settings).start().await;
        Self { runtime, registry }
    }

    async fn stop(self) {
        self.runtime.stop().await;
        self.registry.close().await;
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (StatusCode, HeaderMap, Value) {
        self.ask_if(method, path, body, None).await
    }

    async fn ask_if(&self, method: &str, path: &str, body: Value, tag: Option<&str>) -> (StatusCode, HeaderMap, Value) {
        let mut asked = request(method, &format!("/p/proxy/api{path}"));
        if let Some(tag) = tag {
            asked = asked.header("if-match", tag);
        }
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let asked = asked.header("content-length", text.len()).body(Body::from(text)).unwrap();
        let (status, headers, body) = whole(send(self.runtime.address(), asked).await).await;
        (status, headers, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    async fn add(&self, rule: Value) -> Value {
        let (status, _, body) = self.ask("POST", "/rules", rule).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body
    }

    async fn ids(&self) -> Vec<String> {
        let (_, _, rules) = self.ask("GET", "/rules", Value::Null).await;
        rules.as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap().to_owned()).collect()
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let (status, _, body) = get(self.runtime.address(), path).await;
        (status, body)
    }
}

/// An upstream that answers with that.
async fn saying(words: &'static str) -> FakeUpstream {
    FakeUpstream::start(Router::new().fallback(route(move || async move { words }))).await
}

#[tokio::test]
async fn a_rule_is_added_changed_switched_and_removed_and_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (saying("one").await, saying("two").await);
    let node = Node::start(dir.path(), json!({})).await;
    assert_eq!(node.get("/a/x").await.0, StatusCode::NOT_FOUND);
    let secret = json!({ "authorization": "Bearer geheim" });
    let rule = json!({ "id": "a", "name": "first", "pattern": "^/a/", "target": one.url(), "headers": secret });
    let (status, headers, body) = node.ask("POST", "/rules", rule).await;
    assert_eq!((status, &headers["location"]), (StatusCode::CREATED, &"/p/proxy/api/rules/a".parse().unwrap()));
    assert_eq!(body["headers"]["authorization"], "***");
    assert_eq!((&body["enabled"], &body["readonly"], &body["version"]), (&json!(true), &json!(false), &json!(1)));
    assert_eq!(node.get("/a/x").await, (StatusCode::OK, "one".to_owned()));

    // What is shown can be sent back, and what is left out stays.
    let (status, _, same) = node.ask("PUT", "/rules/a", body.clone()).await;
    assert_eq!((status, &same["headers"]), (StatusCode::OK, &body["headers"]));
    let (status, _, changed) = node.ask("PUT", "/rules/a", json!({ "target": two.url(), "name": null })).await;
    assert_eq!((status, &changed["name"], &changed["pattern"]), (StatusCode::OK, &json!("a"), &json!("^/a/")));
    assert_eq!(node.get("/a/x").await.1, "two");
    node.stop().await;

    let node = Node::start(dir.path(), json!({})).await;
    assert_eq!(node.get("/a/x").await.1, "two");
    let rows = node.registry.get(None).unwrap().query("SELECT rule FROM proxy_rules", args![]).await.unwrap();
    let kept: String = rows.first().unwrap().get("rule").unwrap();
    assert!(kept.contains("geheim"), "what is not shown is kept: {kept}");
    let (_, _, off) = node.ask("PATCH", "/rules/a/toggle", Value::Null).await;
    assert_eq!((&off["enabled"], node.get("/a/x").await.0), (&json!(false), StatusCode::NOT_FOUND));
    let (_, _, still) = node.ask("PATCH", "/rules/a/toggle", json!({ "enabled": false })).await;
    assert_eq!(still["enabled"], false);
    node.ask("PATCH", "/rules/a/toggle", Value::Null).await;
    assert_eq!(node.get("/a/x").await.1, "two");
    let (status, _, body) = node.ask("DELETE", "/rules/a", Value::Null).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "success": true })));
    assert_eq!(node.get("/a/x").await.0, StatusCode::NOT_FOUND);
    assert_eq!(node.ask("DELETE", "/rules/a", Value::Null).await.0, StatusCode::NOT_FOUND);
    node.stop().await;
}

#[tokio::test]
async fn static_rules_come_first_and_cannot_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, base) = (saying("file").await, saying("database").await);
    let rules = json!({ "rules": [{ "name": "fixed", "pattern": "^/a/", "target": file.url() }] });
    let node = Node::start(dir.path(), rules).await;
    node.add(json!({ "id": "d", "pattern": "^/", "target": base.url() })).await;
    assert_eq!((node.get("/a/x").await.1, node.get("/b").await.1), ("file".to_owned(), "database".to_owned()));
    for (method, path) in
        [("PUT", "/rules/static-0"), ("DELETE", "/rules/static-0"), ("PATCH", "/rules/static-0/toggle")]
    {
        let (status, _, body) = node.ask(method, path, json!({ "enabled": false })).await;
        assert_eq!(status, StatusCode::CONFLICT, "{method} {body}");
        assert!(body["error"].as_str().unwrap().contains("`rules[0]`"), "{body}");
    }
    let (status, _, body) = node.ask("PUT", "/rules/reorder", json!({ "ids": ["d", "static-0"] })).await;
    assert!(status == StatusCode::CONFLICT && body["error"].as_str().unwrap().contains("come first"), "{body}");
    let (status, _, body) =
        node.ask("POST", "/rules", json!({ "name": "fixed", "pattern": "^/", "target": base.url() })).await;
    assert!(status == StatusCode::CONFLICT && body["error"].as_str().unwrap().contains("named `fixed`"), "{body}");
    node.stop().await;
}

#[tokio::test]
async fn mistakes_are_listed_with_their_places_and_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), json!({})).await;
    let good = json!({ "pattern": "^/", "target": "http://127.0.0.1:1" });
    for (key, value, pointer) in [
        ("pattern", json!("(?=a)"), "/pattern"),
        ("target", json!("x"), "/target"),
        ("ptatern", json!("x"), "/ptatern"),
        ("timeout", json!(-1), "/timeout"),
        ("headers", json!({ "a b": "x" }), "/headers/a b"),
        ("headers", json!({ "x-a": "***" }), "/headers/x-a"),
        ("fragment", json!({ "sandbox": "none" }), "/fragment/sandbox"),
        ("enabled", json!("yes"), "/enabled"),
        ("id", json!("a/b"), "/id"),
    ] {
        let mut rule = good.clone();
        rule[key] = value.clone();
        let (status, headers, body) = node.ask("POST", "/rules", rule).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{key}={value}: {body}");
        assert_eq!(headers["content-type"], "application/problem+json");
        let found: Vec<&str> =
            body["problems"].as_array().unwrap().iter().filter_map(|p| p["pointer"].as_str()).collect();
        assert!(found.contains(&pointer), "{key}={value}: {body}");
    }
    let (status, _, body) = node.ask("POST", "/rules", json!({ "pattern": "(", "target": "x", "base": "x" })).await;
    assert_eq!((status, body["problems"].as_array().unwrap().len()), (StatusCode::BAD_REQUEST, 3), "{body}");
    for text in [json!([]), json!("x"), Value::Null] {
        assert_eq!(node.ask("POST", "/rules", text).await.0, StatusCode::BAD_REQUEST);
    }
    let large = json!({ "pattern": format!("^/{}", "a".repeat(40 << 10)), "target": "http://127.0.0.1:1" });
    assert_eq!(node.ask("POST", "/rules", large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(node.ids().await.is_empty());

    node.add(json!({ "id": "a", "pattern": "^/", "target": "http://127.0.0.1:1" })).await;
    let twice = json!({ "id": "a", "pattern": "^/", "target": "http://127.0.0.1:1" });
    assert_eq!(node.ask("POST", "/rules", twice).await.0, StatusCode::CONFLICT);
    let (status, _, body) = node.ask("PUT", "/rules/a", json!({ "pattern": "(" })).await;
    assert!(status == StatusCode::BAD_REQUEST && body["problems"][0]["pointer"] == "/pattern", "{body}");
    let (status, _, body) = node.ask("PUT", "/rules/a", json!({ "id": "b" })).await;
    assert!(status == StatusCode::BAD_REQUEST && body["problems"][0]["pointer"] == "/id", "{body}");
    assert_eq!(node.ask("PUT", "/rules/none", json!({})).await.0, StatusCode::NOT_FOUND);
    node.stop().await;
}

#[tokio::test]
async fn there_is_an_end_to_how_many_there_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let rule = json!({ "pattern": "^/", "target": "http://127.0.0.1:1" });
    let node = Node::start(dir.path(), json!({ "maxDynamicRules": 1 })).await;
    node.add(rule.clone()).await;
    let (status, _, body) = node.ask("POST", "/rules", rule.clone()).await;
    assert!(status == StatusCode::CONFLICT && body["error"].as_str().unwrap().contains("remove one"), "{body}");
    node.stop().await;
    let node = Node::start(dir.path(), json!({ "maxDynamicRules": 0 })).await;
    let (status, _, body) = node.ask("POST", "/rules", rule.clone()).await;
    assert!(status == StatusCode::CONFLICT && body["error"].as_str().unwrap().contains("maxDynamicRules"), "{body}");
    assert!(node.ids().await.is_empty(), "and those that are kept are not in force");
    node.stop().await;
    let alone = TestRuntime::builder().plugin(ProxyPlugin, json!({})).start().await;
    let asked = request("POST", "/p/proxy/api/rules").body(Body::from(rule.to_string())).unwrap();
    let (status, _, body) = whole(send(alone.address(), asked).await).await;
    assert!(status == StatusCode::CONFLICT && body.contains("no database"), "{body}");
    alone.stop().await;
}

#[tokio::test]
async fn an_order_is_given_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (saying("one").await, saying("two").await);
    let node = Node::start(dir.path(), json!({})).await;
    for (id, target) in [("a", one.url()), ("b", two.url()), ("c", one.url())] {
        node.add(json!({ "id": id, "pattern": "^/", "target": target })).await;
    }
    assert_eq!(node.get("/").await.1, "one");
    let (status, headers, body) = node.ask("PUT", "/rules/reorder", json!({ "ids": ["b", "c", "a"] })).await;
    assert_eq!((status, &body[0]["id"]), (StatusCode::OK, &json!("b")));
    assert_eq!(node.get("/").await.1, "two");
    let (_, listed, _) = node.ask("GET", "/rules", Value::Null).await;
    assert_eq!(headers["etag"], listed["etag"]);
    for ids in [json!(["b", "c"]), json!(["b", "c", "a", "a"]), json!(["b", "c", "x"]), json!(["b", "b", "c", "a"])] {
        let (status, _, body) = node.ask("PUT", "/rules/reorder", json!({ "ids": ids })).await;
        assert_eq!(status, StatusCode::CONFLICT, "{ids}: {body}");
    }
    assert_eq!(node.ids().await, ["b", "c", "a"]);
    // A rule that is added comes last, whatever the order was.
    node.add(json!({ "id": "d", "pattern": "^/", "target": one.url() })).await;
    node.ask("DELETE", "/rules/b", Value::Null).await;
    assert_eq!(node.ids().await, ["c", "a", "d"]);
    node.stop().await;
    let node = Node::start(dir.path(), json!({})).await;
    assert_eq!(node.ids().await, ["c", "a", "d"]);
    node.stop().await;
}

#[tokio::test]
async fn a_change_can_demand_that_nobody_else_has_made_one() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), json!({})).await;
    for id in ["a", "b"] {
        node.add(json!({ "id": id, "pattern": "^/", "target": "http://127.0.0.1:1" })).await;
    }
    let (_, headers, _) = node.ask("GET", "/rules/a", Value::Null).await;
    let tag = headers["etag"].to_str().unwrap().to_owned();
    let edit = json!({ "pattern": "^/x" });
    assert_eq!(node.ask_if("PUT", "/rules/a", edit.clone(), Some(&tag)).await.0, StatusCode::OK);
    let (status, _, body) = node.ask_if("PUT", "/rules/a", edit.clone(), Some(&tag)).await;
    assert_eq!((status, &body["code"]), (StatusCode::PRECONDITION_FAILED, &json!("precondition_failed")));
    assert_eq!(node.ask_if("DELETE", "/rules/a", Value::Null, Some(&tag)).await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(
        node.ask_if("PATCH", "/rules/a/toggle", Value::Null, Some(&tag)).await.0,
        StatusCode::PRECONDITION_FAILED
    );
    assert_eq!(node.ask_if("PUT", "/rules/a", edit, Some("*")).await.0, StatusCode::OK);
    let (_, headers, _) = node.ask("GET", "/rules", Value::Null).await;
    let tag = headers["etag"].to_str().unwrap().to_owned();
    let order = json!({ "ids": ["b", "a"] });
    assert_eq!(node.ask_if("PUT", "/rules/reorder", order.clone(), Some(&tag)).await.0, StatusCode::OK);
    let (status, ..) = node.ask_if("PUT", "/rules/reorder", json!({ "ids": ["a", "b"] }), Some(&tag)).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    node.stop().await;
}

#[tokio::test]
async fn nodes_that_share_a_database_share_its_rules() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = saying("here").await;
    let (one, two) = (Node::start(dir.path(), json!({})).await, Node::start(dir.path(), json!({})).await);
    one.add(json!({ "id": "a", "pattern": "^/a", "target": upstream.url() })).await;
    eventually("the other node has it", || async { two.get("/a").await.1 == "here" }).await;
    // Changed on top of what the other node has just changed.
    one.ask("PUT", "/rules/a", json!({ "pattern": "^/b" })).await;
    two.add(json!({ "id": "b", "pattern": "^/c", "target": upstream.url() })).await;
    assert_eq!((two.get("/b").await.1, two.get("/a").await.0), ("here".to_owned(), StatusCode::NOT_FOUND));
    eventually("and back", || async { one.ids().await == ["a", "b"] }).await;
    two.ask("DELETE", "/rules/a", Value::Null).await;
    two.ask("PATCH", "/rules/b/toggle", Value::Null).await;
    eventually("all of it", || async { one.ids().await == ["b"] && one.get("/c").await.0 == StatusCode::NOT_FOUND })
        .await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_here_is_kept_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = saying("here").await;
    let node = Node::start(dir.path(), json!({})).await;
    for id in ["a", "b"] {
        node.add(json!({ "id": id, "pattern": format!("^/{id}"), "target": upstream.url() })).await;
    }
    let database = node.registry.get(None).unwrap();
    let newer = r#"{"pattern":"^/a","target":"http://h","quantum":true}"#;
    database.execute("UPDATE proxy_rules SET rule = ?1, version = 9 WHERE id = 'a'", args![newer]).await.unwrap();
    database.execute("UPDATE proxy_version SET version = 9", args![]).await.unwrap();
    eventually("it is shown", || async {
        let (_, _, rule) = node.ask("GET", "/rules/a", Value::Null).await;
        rule["problem"].as_str().is_some_and(|problem| problem.contains("quantum"))
    })
    .await;
    assert_eq!((node.get("/a").await.0, node.get("/b").await.1), (StatusCode::NOT_FOUND, "here".to_owned()));
    let (status, _, body) = node.ask("PUT", "/rules/reorder", json!({ "ids": ["b", "a"] })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let rows = database.query("SELECT rule FROM proxy_rules WHERE id = 'a'", args![]).await.unwrap();
    assert_eq!(rows.first().unwrap().get::<String>("rule").unwrap(), newer);
    node.stop().await;
}

#[tokio::test]
async fn orders_given_under_traffic_lose_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (saying("one").await, saying("two").await);
    let node = Arc::new(Node::start(dir.path(), json!({})).await);
    node.add(json!({ "id": "a", "pattern": "^/", "target": one.url() })).await;
    node.add(json!({ "id": "b", "pattern": "^/", "target": two.url() })).await;
    let traffic: Vec<_> = (0..2)
        .map(|_| {
            let node = node.clone();
            tokio::spawn(async move {
                let mut seen = std::collections::BTreeSet::new();
                for _ in 0..100 {
                    let (status, body) = node.get("/").await;
                    assert_eq!(status, StatusCode::OK, "{body}");
                    seen.insert(body);
                }
                seen
            })
        })
        .collect();
    for round in 0..20 {
        let ids = if round % 2 == 0 { ["b", "a"] } else { ["a", "b"] };
        assert_eq!(node.ask("PUT", "/rules/reorder", json!({ "ids": ids })).await.0, StatusCode::OK);
    }
    for asked in traffic {
        let seen = asked.await.unwrap();
        assert!(seen.iter().all(|body| body == "one" || body == "two"), "{seen:?}");
    }
    assert_eq!(node.get("/").await.1, "one");
    Arc::into_inner(node).unwrap().stop().await;
}

#[tokio::test]
async fn changes_made_at_the_same_time_are_all_made() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), json!({})).await, Node::start(dir.path(), json!({})).await);
    let add = |node: &'static str, count: usize| {
        (0..count)
            .map(move |at| json!({ "id": format!("{node}{at}"), "pattern": "^/", "target": "http://127.0.0.1:1" }))
    };
    let adding = |node, rules: Vec<Value>| {
        let node: &Node = node;
        async move {
            for rule in rules {
                node.add(rule).await;
            }
        }
    };
    tokio::join!(adding(&one, add("a", 10).collect()), adding(&two, add("b", 10).collect()));
    eventually("both have all", || async { one.ids().await.len() == 20 && two.ids().await == one.ids().await }).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn hundreds_are_read_matched_and_ordered() {
    const MANY: usize = 300;
    let dir = tempfile::tempdir().unwrap();
    let upstream = saying("here").await;
    // The tables are made.
    Node::start(dir.path(), json!({})).await.stop().await;
    let sqlite = Sqlite::open(Options::in_dir(dir.path())).await.unwrap();
    let insert = |at: usize| {
        let rule = json!({ "pattern": format!("^/r{at}/(.*)$"), "rewrite": "/$1", "target": upstream.url() });
        let sql = "INSERT INTO proxy_rules (id, position, enabled, rule, version) VALUES (?1, ?2, 1, ?3, 1)";
        Statement::new(sql, args![format!("r{at}"), at as i64 + 1, rule.to_string()])
    };
    sqlite.transaction((0..MANY).map(insert).collect()).await.unwrap();
    sqlite.close().await;
    let node = Node::start(dir.path(), json!({})).await;
    assert_eq!(node.get(&format!("/r{}/x", MANY - 1)).await.1, "here");
    let mut ids = node.ids().await;
    assert_eq!(ids.len(), MANY);
    ids.reverse();
    assert_eq!(node.ask("PUT", "/rules/reorder", json!({ "ids": ids })).await.0, StatusCode::OK);
    node.stop().await;
    let node = Node::start(dir.path(), json!({})).await;
    assert_eq!(node.ids().await, ids);
    node.stop().await;
}
