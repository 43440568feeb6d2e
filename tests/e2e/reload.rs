//! Reloading: what changes at once, what a bad file cannot do, and what goes on undisturbed.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{
    Ended, Gateway, PATIENCE, Process, client, drip, hello, proxying, rule, soon, websocket, websocket_echo,
};
use futures_util::{SinkExt, StreamExt};
use http::Method;
use http_body_util::BodyExt;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

async fn status(gateway: &Gateway) -> Value {
    gateway.json("/api/config").await["$status"].clone()
}

#[tokio::test]
async fn a_saved_file_works_at_once() {
    let upstream = FakeUpstream::start(hello()).await;
    let gateway = Gateway::start(proxying(&[])).await;
    assert_eq!(gateway.get("/shop/").await.status, 404);
    gateway.replace(&proxying(&[rule("shop", &upstream.url())]));
    eventually("the new rule answers", || async { gateway.get("/shop/").await.status == 200 }).await;
    // In place, as some editors do, first half of it.
    let text = fs::read_to_string(gateway.file()).unwrap();
    let next = text.replace("^/shop", "^/store");
    fs::write(gateway.file(), &next[..next.len() / 2]).unwrap();
    assert_eq!(gateway.get("/shop/").await.status, 200);
    fs::write(gateway.file(), &next).unwrap();
    eventually("the renamed rule answers", || async { gateway.get("/store/").await.status == 200 }).await;
    assert_eq!(gateway.get("/shop/").await.status, 404);
    gateway.stop().await;
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_reported() {
    let upstream = FakeUpstream::start(hello()).await;
    let gateway = Gateway::start(proxying(&[rule("shop", &upstream.url())])).await;
    let good = fs::read_to_string(gateway.file()).unwrap();
    let half = good[..good.len() - 5].to_owned();
    for (bad, word) in [
        (half.as_str(), ""),
        ("", ""),
        ("\u{feff}", ""),
        (r#"{ "plugins": ["@buntime/plugin-metrcs"] }"#, "plugin-metrcs"),
        (r#"{ "server": { "port": "x" } }"#, "whole number"),
        (
            r#"{ "plugins": [["proxy", { "rules": [{ "pattern": "(", "target": "http://h" }] }]] }"#,
            "regular expression",
        ),
        (r#"{ "server": { "tls": { "cert": "none.pem", "key": "none.pem" } } }"#, "none.pem"),
        (r#"{ "required": ["@buntime/plugin-metrics"], "plugins": [] }"#, "metrics"),
    ] {
        fs::write(gateway.file(), bad).unwrap();
        let answer = gateway.send(Method::POST, "/api/config/reload", &json!({})).await;
        assert_eq!((answer.status, answer.problem().as_str()), (422, "invalid_configuration"), "{bad}");
        let problems = answer.json()["problems"].to_string();
        assert!(problems.contains(word) && problems.len() > 20, "{word} in {problems}");
        assert_eq!(gateway.get("/shop/").await.status, 200, "after {bad}");
        assert_eq!(status(&gateway).await["lastFailure"]["problems"].to_string(), problems, "{bad}");
    }
    fs::write(gateway.file(), &good).unwrap();
    let answer = gateway.send(Method::POST, "/api/config/reload", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(status(&gateway).await.get("lastFailure").is_none());
    // The watcher reports, too, without anybody asking for it.
    fs::write(gateway.file(), "{").unwrap();
    eventually("the watcher reports", || async { status(&gateway).await.get("lastFailure").is_some() }).await;
    // A file that is gone is being replaced.
    fs::remove_file(gateway.file()).unwrap();
    assert_eq!(gateway.get("/shop/").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_known_of_targets_outlives_a_file_that_is_refused() {
    let checked = json!({ "active": { "path": "/", "interval": "1h", "timeout": "1s", "unhealthyAfter": 1 } });
    let config = |health: &Value, logs: Value| {
        let mut upstream = json!({ "targets": [{ "url": "http://127.0.0.1:9" }] });
        if !health.is_null() {
            upstream["health"] = health.clone();
        }
        let routes = json!([{ "name": "all", "paths": ["/a"] }]);
        json!({ "plugins": ["proxy", logs], "services": [{ "name": "a", "upstream": upstream, "routes": routes }] })
    };
    let gateway = Gateway::start(config(&checked, json!("logs"))).await;
    let state = async || gateway.json("/p/proxy/api/upstreams").await[0]["targets"][0]["state"].clone();
    eventually("the check fails", || async { state().await == "unhealthy" }).await;
    // Nothing checks it any more, were it not for the plugin that is missing.
    let refused = config(&Value::Null, json!({ "name": "logs", "dependsOn": ["health"] }));
    fs::write(gateway.file(), refused.to_string()).unwrap();
    assert_eq!(gateway.send(Method::POST, "/api/config/reload", &json!({})).await.status, 422);
    assert_eq!(state().await, "unhealthy");
    gateway.stop().await;
}

#[tokio::test]
async fn long_connections_go_on() {
    let (echo, ended) = (websocket_echo().await, Ended::default());
    let slow = FakeUpstream::start(drip(60, Duration::from_millis(50), ended.clone())).await;
    let other = FakeUpstream::start(hello()).await;
    // Each reload changes the target of `other`, and a setting of the rules that are in use.
    let config = |turn: usize| {
        let mut rules = vec![rule("other", &other.url()), rule("live", &echo.url()), rule("slow", &slow.url())];
        for rule in &mut rules {
            rule["headers"] = json!({ "x-turn": turn.to_string() });
        }
        proxying(&rules)
    };
    let gateway = Gateway::start(config(0)).await;
    let mut socket = websocket(gateway.addr(), "/live").await;
    let request = client::request("GET", "/slow/").body(Body::empty()).unwrap();
    let stream = client::open(gateway.addr(), request).await;
    let whole = tokio::spawn(stream.into_body().collect());
    for turn in 1..=20 {
        gateway.replace(&config(turn));
        let answer = gateway.send(Method::POST, "/api/config/reload", &json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        socket.send(Message::text(turn.to_string())).await.unwrap();
        let back = soon("an echo", socket.next()).await.unwrap().unwrap();
        assert_eq!(back, Message::text(turn.to_string()));
        assert_eq!(gateway.get("/other/").await.text(), "hello");
    }
    // Even when its rule is gone.
    gateway.replace(&proxying(&[]));
    gateway.running().reload("a test").await.unwrap();
    assert_eq!(gateway.get("/live").await.status, 404);
    socket.send(Message::text("still")).await.unwrap();
    assert_eq!(soon("an echo", socket.next()).await.unwrap().unwrap(), Message::text("still"));
    let body = soon("the stream", whole).await.unwrap().expect("it is not cut").to_bytes();
    assert_eq!(String::from_utf8_lossy(&body).lines().count(), 60);
    drop(socket);
    eventually("nothing is left", || async { gateway.running().stats().open() == 0 }).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_it_reloads() {
    let upstream = FakeUpstream::start(hello()).await;
    let config = |turn: usize| {
        let mut shop = rule("shop", &upstream.url());
        shop["headers"] = json!({ "x-turn": turn.to_string() });
        let mut config = proxying(&[shop]);
        config["server"] = json!({ "requestTimeout": format!("{}s", 30 + turn) });
        config
    };
    let gateway = Arc::new(Gateway::start(config(0)).await);
    let (done, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (addr, done, asked) = (gateway.addr(), Arc::clone(&done), Arc::clone(&asked));
            tokio::spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    let answer = client::get(addr, "/shop/").await;
                    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for turn in 1..=20 {
        gateway.replace(&config(turn));
        gateway.running().reload("a test").await.unwrap();
        let before = asked.load(Ordering::SeqCst);
        eventually("requests go on", || async { asked.load(Ordering::SeqCst) > before + 4 }).await;
    }
    done.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.expect("no request failed");
    }
}

#[tokio::test]
async fn what_a_listener_cannot_take_over_is_told() {
    let gateway = Gateway::start(proxying(&[])).await;
    let mut config = proxying(&[]);
    config["server"] = json!({ "port": 1, "maxBodySize": 10 });
    config["dataDir"] = json!("./elsewhere");
    gateway.replace(&config);
    let answer = gateway.send(Method::POST, "/api/config/reload", &json!({})).await.json();
    assert_eq!(answer["needsRestart"], json!(["dataDir", "server.port"]));
    assert_eq!(status(&gateway).await["needsRestart"], json!(["dataDir", "server.port"]));
    // The rest of it is in force.
    let request = client::request("POST", "/").body("more than ten bytes".into()).unwrap();
    assert_eq!(client::send(gateway.addr(), request).await.status, 413);
    gateway.stop().await;
}

#[tokio::test]
async fn sighup_reloads() {
    let upstream = FakeUpstream::start(hello()).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("buntime.jsonc");
    let text = |rules: &[Value]| {
        let mut config = proxying(rules);
        config["server"] = json!({ "port": 0 });
        config.to_string()
    };
    fs::write(&file, text(&[])).unwrap();
    let Some(process) = Process::serve(dir.path(), &[], &[]).await else { return };
    let loaded = |at: Value| at["$status"]["loadedAt"].as_f64().unwrap();
    let before = loaded(client::get(process.addr(), "/api/config").await.json());
    process.signal(Signal::HUP);
    eventually("the same file is loaded again", || async {
        loaded(client::get(process.addr(), "/api/config").await.json()) > before
    })
    .await;
    fs::write(&file, text(&[rule("shop", &upstream.url())])).unwrap();
    process.signal(Signal::HUP);
    eventually("the rule answers", || async { client::get(process.addr(), "/shop/").await.status == 200 }).await;
    fs::write(&file, "{ \"prot\": 1 }").unwrap();
    process.signal(Signal::HUP);
    eventually("the mistake is in the log", || async { process.out().contains("unknown key `prot`") }).await;
    assert_eq!(client::get(process.addr(), "/shop/").await.status, 200);
    process.signal(Signal::TERM);
    assert_eq!(tokio::time::timeout(PATIENCE, process.end()).await.unwrap().code, Some(0));
}
