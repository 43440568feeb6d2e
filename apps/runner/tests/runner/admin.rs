//! The admin API: what it shows, what it changes, what it refuses.

use buntime_core::{Metadata, options::Placement};
use buntime_testing::Act;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Setup, fake};

#[tokio::test]
async fn plugins_are_listed_in_startup_order_with_everything_about_them() {
    let gateway = Setup::new(&json!({ "plugins": ["health", "metrics"] })).start().await;
    let listed = gateway.get("/api/plugins").await.expect(200).json();
    let names: Vec<&str> = listed["plugins"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!((names, &listed["count"]), (vec!["@buntime/plugin-metrics", "@buntime/plugin-health"], &json!(2)));
    for key in [
        "name",
        "version",
        "description",
        "isCustom",
        "base",
        "enabled",
        "placement",
        "priority",
        "order",
        "mode",
        "capabilities",
        "depends_on",
        "hooks",
        "scopes",
        "menus",
        "ui",
        "status",
        "breaker",
        "stats",
    ] {
        assert!(!listed["plugins"][0][key].is_null(), "{key}");
    }
    assert_eq!(listed["plugins"][0]["status"]["status"], "active");
    for spelling in ["metrics", "plugin-metrics", "%40buntime%2Fplugin-metrics"] {
        assert_eq!(gateway.plugin(spelling).await["name"], "@buntime/plugin-metrics");
    }
    gateway.get("/api/plugins/nope").await.expect(404);
    gateway.stop().await;
}

#[tokio::test]
async fn a_plugin_is_changed_at_once_and_what_is_left_out_stays() {
    let gateway = Setup::new(&json!({ "plugins": [["metrics", { "sseInterval": "1s" }]] })).start().await;
    let put = |body: Value| gateway.call(Method::PUT, "/api/plugins/metrics", body);
    let changed = put(json!({ "config": { "sseInterval": "3s" }, "priority": 4 })).await.expect(200).json();
    assert_eq!(changed["plugin"]["priority"], 4);
    assert_eq!(changed["plugin"]["config"], json!({ "sseInterval": "3s" }));
    assert_eq!(changed["overruledByFile"], json!(["config/sseInterval"]));
    assert!(changed["message"].as_str().unwrap().contains("wins"), "{changed}");
    put(json!({ "enabled": false })).await.expect(200);
    gateway.get("/p/metrics/api/stats").await.expect(404);
    let one = gateway.plugin("metrics").await;
    assert_eq!(
        (&one["enabled"], &one["priority"], &one["status"]["status"]),
        (&json!(false), &json!(4), &json!("disabled"))
    );
    put(json!({ "enabled": true })).await.expect(200);
    gateway.get("/p/metrics/api/stats").await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_place_and_changes_nothing() {
    let gateway = Setup::new(&json!({ "plugins": ["metrics"], "required": ["metrics"] })).start().await;
    let before = gateway.get("/api/plugins/metrics").await.json();
    let put = |body: Value| gateway.call(Method::PUT, "/api/plugins/metrics", body);
    let unknown = put(json!({ "confg": {} })).await.expect(400).json();
    assert_eq!(unknown["pointer"], "/confg");
    assert!(unknown["detail"].as_str().unwrap().contains("unknown field `confg`"), "{unknown}");
    let wrong = put(json!({ "order": "first" })).await.expect(400).json();
    assert_eq!(wrong["pointer"], "/order");
    let settings = put(json!({ "config": { "sseIntervall": "1s" } })).await.expect(422).json();
    assert!(settings["problems"][0]["message"].as_str().unwrap().contains("sseIntervall"), "{settings}");
    put(json!({ "placement": "pre_builtin" })).await.expect(400);
    put(json!({ "enabled": false })).await.expect(409);
    let text = gateway.request(Method::PUT, "/api/plugins/metrics").header("content-type", "text/plain").body("{}");
    gateway.send(text).await.expect(415);
    let json = |body: &'static str| {
        gateway.request(Method::PUT, "/api/plugins/metrics").header("content-type", "application/json").body(body)
    };
    for body in ["", "{", "[]", "{} {}", "{\"enabled\":1}"] {
        gateway.send(json(body)).await.expect(400);
    }
    let large = format!("{{\"config\":{{\"a\":\"{}\"}}}}", "x".repeat(1 << 20));
    let large =
        gateway.request(Method::PUT, "/api/plugins/metrics").header("content-type", "application/json").body(large);
    gateway.send(large).await.expect(413);
    gateway.call(Method::PUT, "/api/plugins/nope", json!({})).await.expect(404);
    let after = gateway.get("/api/plugins/metrics").await.json();
    assert_eq!((&before["config"], &before["status"]), (&after["config"], &after["status"]));
    gateway.stop().await;
}

#[tokio::test]
async fn plugins_are_added_and_removed() {
    let broken = fake("broken").on_startup(Act::Fail);
    let gateway = Setup::new(&json!({ "plugins": ["metrics"] })).fake(fake("extra")).fake(broken).start().await;
    let post = |body: Value| gateway.call(Method::POST, "/api/plugins", body);
    let added =
        post(json!({ "name": "@buntime/plugin-extra", "priority": 7, "config": { "value": 1 } })).await.expect(201);
    assert_eq!(added.header("location"), "/api/plugins/extra");
    let plugin = added.json()["plugin"].clone();
    assert_eq!(
        (&plugin["isCustom"], &plugin["priority"], &plugin["config"]),
        (&json!(true), &json!(7), &json!({ "value": 1 }))
    );
    post(json!({ "name": "extra" })).await.expect(409);
    post(json!({ "name": "metrics" })).await.expect(409);
    post(json!({ "name": "nope" })).await.expect(404);
    post(json!({ "name": "broken" })).await.expect(422);
    post(json!({})).await.expect(400);
    assert_eq!(gateway.get("/api/plugins").await.json()["count"], 2, "a failed load changes nothing");
    let delete = |name: &str| gateway.request(Method::DELETE, &format!("/api/plugins/{name}"));
    gateway.send(delete("metrics")).await.expect(409);
    gateway.send(delete("extra")).await.expect(200);
    gateway.send(delete("extra")).await.expect(404);
    gateway.get("/api/plugins/extra").await.expect(404);
    gateway.stop().await;
}

#[tokio::test]
async fn a_sequence_is_taken_whole_or_not_at_all() {
    let second = fake("second").with(|metadata: Metadata| metadata.with_depends_on(["first"]));
    let setup = Setup::new(&json!({ "plugins": ["metrics", "first", "second"] })).fake(fake("first")).fake(second);
    let gateway = setup.start().await;
    let put = |sequence: Value| gateway.call(Method::PUT, "/api/plugins/sequence", json!({ "sequence": sequence }));
    let place =
        |name: &str, placement: Placement, order: i32| json!({ "name": name, "placement": placement, "order": order });
    put(json!([place("first", Placement::PreBuiltin, 1), place("second", Placement::PreBuiltin, 2)])).await.expect(200);
    assert_eq!(gateway.plugin("second").await["placement"], "pre_builtin");
    let against = put(json!([place("first", Placement::PostBuiltin, 1)])).await.expect(409).json();
    let detail = against["detail"].as_str().unwrap();
    assert!(detail.contains("`second`") && detail.contains("`first`"), "{detail}");
    put(json!([place("second", Placement::PostBuiltin, 1), place("metrics", Placement::PreBuiltin, 0)]))
        .await
        .expect(400);
    put(json!([place("second", Placement::PostBuiltin, 1), place("nope", Placement::PreBuiltin, 0)])).await.expect(404);
    put(json!([place("second", Placement::PostBuiltin, 1), place("second", Placement::PostBuiltin, 2)]))
        .await
        .expect(400);
    assert_eq!(gateway.plugin("second").await["placement"], "pre_builtin", "nothing of a refused sequence stays");
    gateway.stop().await;
}

#[tokio::test]
async fn a_restart_lifts_a_quarantine() {
    let shaky = fake("shaky").on_startup(Act::FailFirst(std::sync::Arc::new(std::sync::Mutex::new(1))));
    let config = json!({ "plugins": [["shaky", { "failureMode": "quarantine", "recovery": false }]] });
    let gateway = Setup::new(&config).fake(shaky).start().await;
    assert_eq!(gateway.plugin("shaky").await["status"]["status"], "quarantined");
    gateway.send(gateway.request(Method::POST, "/api/plugins/shaky/restart")).await.expect(200);
    assert_eq!(gateway.plugin("shaky").await["status"]["status"], "active");
    gateway.send(gateway.request(Method::POST, "/api/plugins/nope/restart")).await.expect(404);
    gateway.stop().await;
}

#[tokio::test]
async fn openapi_and_docs_name_every_operation() {
    let gateway = Setup::new(&json!({ "plugins": ["metrics", ["health", { "base": "well" }]] })).start().await;
    let document = gateway.get("/api/openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    for path in ["/livez", "/api/plugins/{name}", "/api/session", "/p/metrics/api/prometheus", "/p/well/api/health"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    let page = gateway.get("/api/docs").await.expect(200);
    assert!(page.text.contains("/p/metrics/api/prometheus") && !page.text.contains("<script>"));
    let schema = gateway.get("/api/config/schema").await.expect(200).json();
    assert_eq!(schema["title"], "buntime.jsonc");
    gateway.stop().await;
}
