//! Loading the file again while exchanges run.

use std::sync::Arc;

use axum::{Router, routing::get};
use buntime_core::Access;
use buntime_testing::eventually;
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;

use crate::fixture::{Setup, fake};

#[tokio::test]
async fn a_saved_file_is_loaded_and_a_bad_one_changes_nothing() {
    let setup = Setup::new(&json!({ "plugins": ["metrics"] })).watched();
    let gateway = setup.start().await;
    setup.write(&json!({ "plugins": ["metrics", "health"] }).to_string());
    eventually("the new plugin", async || gateway.get("/p/health/api/health").await.status == 200).await;
    for bad in ["", "{", "{ \"plugins\": [\"metrics\"", "{ \"plugins\": [\"metrcs\"] }", "{ \"plugns\": [] }"] {
        setup.write(bad);
        eventually("a report", async || {
            let status = gateway.get("/api/config").await.json()["$status"].clone();
            status["lastFailure"]["problems"].as_array().is_some_and(|problems| !problems.is_empty())
        })
        .await;
        gateway.get("/p/health/api/health").await.expect(200);
        gateway.get("/readyz").await.expect(200);
    }
    setup.write("{ \"plugins\": [\"metrics\"], \"admin\": { \"token\": \"now\" } }");
    eventually("the good one", async || gateway.get("/api/plugins").await.status == 401).await;
    let status = gateway.send(gateway.request(Method::GET, "/api/config").bearer_auth("now")).await.expect(200).json();
    assert!(status["$status"]["lastFailure"].is_null(), "{status}");
    gateway.get("/p/health/api/health").await.expect(404);
    gateway.stop().await;
}

#[tokio::test]
async fn the_admin_api_reloads_and_tells_every_problem() {
    let setup = Setup::new(&json!({ "plugins": ["metrics"] }));
    let gateway = setup.start().await;
    let reload = || gateway.request(Method::POST, "/api/config/reload");
    setup.write("{\n  \"plugins\": [\"metrcs\"],\n  \"sever\": {}\n}");
    let refused = gateway.send(reload()).await.expect(422).json();
    let problems = refused["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{refused}");
    assert_eq!((&problems[0]["line"], &problems[0]["column"]), (&json!(2), &json!(15)));
    assert!(problems[0]["help"].as_str().unwrap().contains("metrics"));
    gateway.get("/p/metrics/api/stats").await.expect(200);
    setup.write(&json!({ "plugins": ["health"], "server": { "port": 1, "maxBodySize": "4b" } }).to_string());
    let done = gateway.send(reload()).await.expect(200).json();
    assert_eq!(done["changed"], json!({ "started": ["health"], "kept": [], "gone": ["metrics"] }));
    assert_eq!(done["needsRestart"], json!([]), "PORT wins over the file, so nothing changed");
    let large = gateway.request(Method::POST, "/p/health/api/health").body("12345");
    gateway.send(large).await.expect(413);
    gateway.stop().await;
}

#[tokio::test]
async fn running_exchanges_end_on_what_they_began_with() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&entered), Arc::clone(&leave));
    let slow = fake("slow").offering(move |startup| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        let handler = move || {
            let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
            async move {
                tell.notify_one();
                wait.notified().await;
                "still here"
            }
        };
        startup.routes(Access::Public, Router::new().route("/", get(handler)));
    });
    let setup = Setup::new(&json!({ "plugins": ["slow"] })).fake(slow);
    let gateway = Arc::new(setup.start().await);
    let asking = Arc::clone(&gateway);
    let exchange = tokio::spawn(async move { asking.get("/p/slow/").await.expect(200).text });
    entered.notified().await;
    setup.write("{ \"plugins\": [] }");
    gateway.running.reload("a test").await.unwrap();
    gateway.get("/p/slow/").await.expect(404);
    leave.notify_one();
    assert_eq!(exchange.await.unwrap(), "still here");
    Arc::into_inner(gateway).unwrap().stop().await;
}

#[tokio::test]
async fn a_required_plugin_that_fails_keeps_the_old_set() {
    let broken = fake("broken").on_startup(buntime_testing::Act::Fail);
    let setup = Setup::new(&json!({ "plugins": ["metrics"] })).fake(broken);
    let gateway = setup.start().await;
    setup.write(&json!({ "plugins": ["broken"], "required": ["broken"] }).to_string());
    gateway.running.reload("a test").await.unwrap_err();
    gateway.get("/p/metrics/api/stats").await.expect(200);
    gateway.stop().await;
    let refused = setup.again().try_start().await.err().unwrap().to_string();
    assert!(refused.contains("broken") && refused.contains("told to fail"), "{refused}");
}
