//! The admin API with the plugins that come with it: changes at once, kept over a restart, secrets kept to itself.

use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{Gateway, hello, proxying, rule};
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_plugin_is_switched_off_and_on_over_restarts() {
    let upstream = FakeUpstream::start(hello()).await;
    let config = proxying(&[rule("x", &upstream.url())]);
    let gateway = Gateway::start(config.clone()).await;
    let off = gateway.send(Method::PUT, "/api/plugins/%40buntime%2Fplugin-proxy", &json!({ "enabled": false })).await;
    assert_eq!(off.status, 200, "{}", off.text());
    assert_eq!(gateway.get("/x/").await.status, 404);
    assert_eq!(gateway.get("/p/proxy/api/rules").await.status, 404);
    assert_eq!(gateway.json("/api/plugins/proxy").await["status"]["status"], "disabled");
    assert_eq!(gateway.get("/readyz").await.status, 200);
    let dir = gateway.stop().await;
    let gateway = Gateway::start_in(dir, config.clone(), |_| {}).await;
    assert_eq!(gateway.get("/x/").await.status, 404, "it is kept");
    let on = gateway.send(Method::PUT, "/api/plugins/proxy", &json!({ "enabled": true })).await;
    assert_eq!(on.status, 200, "{}", on.text());
    assert_eq!(gateway.get("/x/").await.status, 200);
    let again = gateway.send(Method::POST, "/api/plugins/proxy/restart", &json!({})).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(gateway.get("/x/").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn rules_changed_here_work_at_once_and_the_file_wins_after_a_restart() {
    let upstream = FakeUpstream::start(hello()).await;
    let config = proxying(&[rule("file", &upstream.url())]);
    let gateway = Gateway::start(config.clone()).await;
    let changed = json!({ "config": { "rules": [rule("changed", &upstream.url())] } });
    let answer = gateway.send(Method::PUT, "/api/plugins/proxy", &changed).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert!(answer["message"].as_str().unwrap().contains("configuration file"), "it says that the file wins: {answer}");
    assert_eq!((gateway.get("/changed/").await.status, gateway.get("/file/").await.status), (200, 404));
    eventually("the route is listed", || async {
        gateway.get("/api/routes").await.text().contains(r#""proxy:changed""#)
    })
    .await;
    let wrong = json!({ "config": { "rules": [{ "pattern": "(", "target": "x" }] } });
    let refused = gateway.send(Method::PUT, "/api/plugins/proxy", &wrong).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let problems = refused.json()["problems"].to_string();
    assert!(problems.contains("/config/rules/0/pattern") && problems.contains("/config/rules/0/target"), "{problems}");
    let dir = gateway.stop().await;
    let gateway = Gateway::start_in(dir, config, |_| {}).await;
    assert_eq!(gateway.get("/file/").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn built_ins_keep_their_place() {
    let gateway = Gateway::start(proxying(&[])).await;
    for (sequence, status) in [
        (json!([{ "name": "metrics", "placement": "post_builtin", "order": 0 }]), 400),
        (json!([{ "name": "metrics", "placement": "builtin", "order": 7 }]), 400),
        (json!([{ "name": "nobody", "placement": "builtin", "order": 0 }]), 404),
        (json!([{ "name": "metrics", "placement": "nowhere", "order": 0 }]), 400),
    ] {
        let answer = gateway.send(Method::PUT, "/api/plugins/sequence", &json!({ "sequence": sequence })).await;
        assert_eq!(answer.status, status, "{sequence}: {}", answer.text());
        answer.problem();
    }
    let names = |list: Value| -> Vec<String> {
        list["plugins"].as_array().unwrap().iter().map(|plugin| plugin["name"].to_string()).collect()
    };
    let before = names(gateway.json("/api/plugins").await);
    assert!(before[0].contains("metrics") && before[3].contains("proxy"), "{before:?}");
    let moved = gateway.send(Method::PUT, "/api/plugins/metrics", &json!({ "priority": 900 })).await;
    assert_eq!(moved.status, 200, "{}", moved.text());
    let after = names(gateway.json("/api/plugins").await);
    assert!(after[3].contains("metrics"), "{after:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn secrets_stay_inside() {
    let upstream = FakeUpstream::start(hello()).await;
    let mut with_secret = rule("x", &upstream.url());
    with_secret["headers"] = json!({ "authorization": "the-rule-secret" });
    let mut config = proxying(&[with_secret]);
    config["plugins"][1] = json!(["logs", { "otlp": {
        "endpoint": upstream.url(), "headers": { "authorization": "the-otlp-secret" } } }]);
    config["consumers"] = json!([{ "name": "acme", "match": [{ "apiKey": "the-consumer-secret" }] }]);
    let gateway = Gateway::start(config).await;
    for path in [
        "/api/config",
        "/api/plugins",
        "/api/plugins/proxy",
        "/api/plugins/logs",
        "/api/routes",
        "/p/proxy/api/rules",
        "/p/logs/api/logs",
    ] {
        let text = gateway.get(path).await.text();
        for secret in ["the-rule-secret", "the-otlp-secret", "the-consumer-secret"] {
            assert!(!text.contains(secret), "{secret} in {path}: {text}");
        }
    }
    assert!(gateway.get("/api/config").await.text().contains("\"***\""));
    gateway.stop().await;
}

#[tokio::test]
async fn openapi_names_what_plugins_answer() {
    let gateway = Gateway::start(proxying(&[])).await;
    let document = gateway.json("/api/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/livez",
        "/readyz",
        "/api/plugins",
        "/api/config/reload",
        "/p/metrics/api/prometheus",
        "/p/metrics/api/sse",
        "/p/logs/api/logs",
        "/p/health/api/health",
        "/p/proxy/api/rules",
    ] {
        assert!(paths.contains_key(path), "{path} is not in {:?}", paths.keys().collect::<Vec<_>>());
    }
    let whole = document.to_string();
    for (path, item) in paths {
        assert!(path.starts_with('/'), "{path}");
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            let responses = operation["responses"].as_object();
            assert!(responses.is_some_and(|all| !all.is_empty()), "{method} {path} has no responses");
            for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                let of_item = item["parameters"].to_string() + &operation["parameters"].to_string();
                assert!(
                    of_item.contains(&format!("\"name\":\"{name}\"")),
                    "{method} {path}: `{name}` is not described"
                );
            }
        }
    }
    for reference in whole.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
    // Every path of it without a parameter answers something other than 404.
    for (path, item) in paths.iter().filter(|(path, _)| !path.contains('{') && !path.contains("sse")) {
        if item.get("get").is_some() {
            assert_ne!(gateway.get(path).await.status, 404, "{path}");
        }
    }
    gateway.stop().await;
}
