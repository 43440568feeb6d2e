//! What the admin API changes outlives the process, and reaches other nodes.

use buntime_testing::eventually;
use reqwest::Method;
use serde_json::json;

use crate::fixture::{Setup, fake};

#[tokio::test]
async fn changes_survive_a_restart_and_the_file_wins_where_it_speaks() {
    let setup = Setup::new(&json!({ "plugins": [["metrics", { "sseInterval": "1s" }], "health"] })).fake(fake("extra"));
    let gateway = setup.start().await;
    let config = json!({ "sseInterval": "5s", "maxRoutes": 10 });
    gateway.call(Method::PUT, "/api/plugins/metrics", json!({ "config": config, "priority": 3 })).await.expect(200);
    gateway.call(Method::PUT, "/api/plugins/health", json!({ "enabled": false })).await.expect(200);
    gateway.call(Method::POST, "/api/plugins", json!({ "name": "extra", "config": { "value": 1 } })).await.expect(201);
    gateway.call(Method::PUT, "/api/plugins/extra", json!({ "config": { "value": 2 } })).await.expect(200);
    assert_eq!(gateway.plugin("metrics").await["config"]["sseInterval"], "5s", "until the file is loaded again");
    gateway.stop().await;

    let gateway = setup.again().start().await;
    let metrics = gateway.plugin("metrics").await;
    assert_eq!(metrics["config"], json!({ "sseInterval": "1s", "maxRoutes": 10 }));
    assert_eq!(metrics["priority"], 3);
    assert_eq!(gateway.plugin("health").await["status"]["status"], "disabled", "listing it says nothing of enabled");
    assert_eq!(gateway.plugin("extra").await["config"], json!({ "value": 2 }));
    gateway.send(gateway.request(Method::DELETE, "/api/plugins/extra")).await.expect(200);
    gateway.stop().await;

    let gateway = setup.again().start().await;
    gateway.get("/api/plugins/extra").await.expect(404);
    gateway.stop().await;
}

#[tokio::test]
async fn a_build_without_an_added_plugin_starts_without_it() {
    let setup = Setup::new(&json!({ "plugins": ["metrics"] }));
    let gateway = setup.again().fake(fake("extra")).start().await;
    gateway.call(Method::POST, "/api/plugins", json!({ "name": "extra" })).await.expect(201);
    gateway.stop().await;
    let gateway = setup.start().await;
    gateway.get("/api/plugins/extra").await.expect(404);
    // What it does not know it does not lose either.
    gateway.call(Method::PUT, "/api/plugins/metrics", json!({ "priority": 3 })).await.expect(200);
    gateway.stop().await;
    let gateway = setup.again().fake(fake("extra")).start().await;
    assert_eq!(gateway.plugin("extra").await["status"]["status"], "active");
    gateway.stop().await;
}

#[tokio::test]
async fn a_reload_keeps_what_was_changed() {
    let setup = Setup::new(&json!({ "plugins": ["metrics"] }));
    let gateway = setup.start().await;
    gateway.call(Method::PUT, "/api/plugins/metrics", json!({ "priority": 3 })).await.expect(200);
    setup.write(&json!({ "plugins": ["metrics", "health"] }).to_string());
    gateway.running.reload("a test").await.unwrap();
    assert_eq!(gateway.plugin("metrics").await["priority"], 3);
    setup.write(&json!({ "plugins": [["metrics", { "priority": 9 }]] }).to_string());
    gateway.running.reload("a test").await.unwrap();
    assert_eq!(gateway.plugin("metrics").await["priority"], 9);
    gateway.stop().await;
}

#[tokio::test]
async fn nodes_that_share_a_database_share_changes() {
    let setup = Setup::new(&json!({ "plugins": ["metrics"] }));
    let (one, two) = (setup.start().await, setup.again().start().await);
    one.call(Method::PUT, "/api/plugins/metrics", json!({ "enabled": false })).await.expect(200);
    eventually("the other node follows", async || two.plugin("metrics").await["enabled"] == false).await;
    // On top of what it has learnt, the other may change something too.
    two.call(Method::PUT, "/api/plugins/metrics", json!({ "enabled": true })).await.expect(200);
    eventually("and the first follows back", async || one.plugin("metrics").await["enabled"] == true).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_change_made_on_old_knowledge_is_refused_and_undone() {
    let setup = Setup::new(&json!({ "plugins": ["metrics"] }));
    let (one, two) = (setup.start().await, setup.again().start().await);
    one.call(Method::PUT, "/api/plugins/metrics", json!({ "priority": 3 })).await.expect(200);
    // It has not looked yet: it looks every two seconds.
    let answer = two.call(Method::PUT, "/api/plugins/metrics", json!({ "priority": 4 })).await;
    if answer.status == 409 {
        assert_ne!(two.plugin("metrics").await["priority"], 4);
    } else {
        answer.expect(200);
    }
    one.stop().await;
    two.stop().await;
}
