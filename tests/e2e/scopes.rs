//! Services, routes, groups and consumers from one file: each with its own plugins, and `explain` says why.

use axum::body::Body;
use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{Answer, Gateway, Stamp, client, echo, sample};
use serde_json::{Value, json};

fn text(name: &str, text: &str) -> Value {
    json!({ "texts": [{ "name": name, "text": text }] })
}

fn config(upstream: &str) -> Value {
    json!({
        "plugins": [
            "@buntime/plugin-metrics", "@buntime/plugin-logs", "@buntime/plugin-health",
            ["stamp", { "texts": [{ "name": "main", "text": "gateway" }], "secretToken": "never-shown" }],
        ],
        "services": [{
            "name": "bare",
            "upstream": { "targets": [{ "url": upstream }] },
            "routes": [{ "name": "all", "paths": ["/bare"] }],
        }, {
            "name": "users",
            "upstream": { "targets": [{ "url": upstream }] },
            "plugins": [["stamp", text("extra", "service")]],
            "routes": [
                { "name": "list", "paths": ["/users"], "stripPath": true, "plugins": [["stamp", text("main", "list")]] },
                { "name": "host", "hosts": ["*.example.org"], "preserveHost": true },
                { "name": "quiet", "paths": ["/quiet"], "plugins": [{ "name": "stamp", "enabled": false }] },
            ],
        }],
        "consumerGroups": [
            { "name": "premium", "priority": 10, "plugins": [["stamp", text("group", "premium")]] },
            { "name": "everyone", "priority": 1, "plugins": [["stamp", text("group", "everyone")]] },
        ],
        "consumers": [
            { "name": "acme", "groups": ["premium", "everyone"], "match": [{ "apiKey": "key-of-acme" }],
              "plugins": [["stamp", text("own", "acme")]] },
            { "name": "basic", "groups": ["everyone"], "match": [{ "apiKey": "key-of-basic" }] },
            { "name": "plain", "match": [{ "apiKey": "key-of-plain" }] },
        ],
    })
}

async fn start(config: Value) -> Gateway {
    let dir = tempfile::tempdir().unwrap();
    Gateway::start_in(dir, config, |options| options.catalog.add(Stamp).unwrap()).await
}

async fn ask(gateway: &Gateway, path: &str, host: &str, key: &str) -> Answer {
    let mut request = http::Request::builder().uri(path).header("host", host);
    if !key.is_empty() {
        request = request.header("x-api-key", key);
    }
    client::send(gateway.addr(), request.body(Body::empty()).unwrap()).await
}

/// What the answer is stamped with, without the count.
async fn stamp(gateway: &Gateway, path: &str, key: &str) -> String {
    let answer = ask(gateway, path, "localhost", key).await;
    assert!(answer.status < 500, "{path}: {}", answer.text());
    answer.header("x-stamp").rsplit_once(' ').map(|(words, _)| words.to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn every_level_adds_what_it_says() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = start(config(&upstream.url())).await;
    assert_eq!(stamp(&gateway, "/bare", "").await, "gateway");
    assert_eq!(stamp(&gateway, "/users/1", "").await, "list,service");
    assert_eq!(stamp(&gateway, "/users/1", "unknown").await, "list,service");
    assert_eq!(stamp(&gateway, "/users/1", "key-of-plain").await, "list,service");
    assert_eq!(stamp(&gateway, "/users/1", "key-of-basic").await, "list,service,everyone");
    assert_eq!(stamp(&gateway, "/users/1", "key-of-acme").await, "list,service,premium,acme");
    assert_eq!(stamp(&gateway, "/bare", "key-of-acme").await, "gateway,premium,acme");
    assert_eq!(stamp(&gateway, "/quiet", "").await, "");
    // A count belongs to the level that configured it: the group's is one for all that it has.
    let count = async |key: &str| {
        let answer = ask(&gateway, "/users/1", "localhost", key).await;
        answer.header("x-stamp").rsplit_once(' ').map(|(_, count)| count.parse::<u64>().unwrap()).unwrap()
    };
    assert_eq!((count("key-of-acme").await, count("key-of-acme").await), (3, 4), "one of them was on another route");
    let before = count("").await;
    assert_eq!(count("key-of-plain").await, before + 1);
    gateway.stop().await;
}

#[tokio::test]
async fn routes_lead_to_their_service() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = start(config(&upstream.url())).await;
    let stripped = ask(&gateway, "/users/1?a=b", "localhost", "key-of-acme").await.text();
    assert!(stripped.starts_with("GET /1?a=b\n"), "{stripped}");
    assert!(!stripped.contains("key-of-acme"), "a key that was recognised goes no further: {stripped}");
    let kept = ask(&gateway, "/any/path", "www.example.org:80", "somebody-elses").await.text();
    assert!(kept.starts_with("GET /any/path\n") && kept.contains("host: www.example.org:80"), "{kept}");
    assert!(kept.contains("x-api-key: somebody-elses"), "{kept}");
    assert_eq!(ask(&gateway, "/any/path", "example.org", "").await.problem(), "not_found");
    assert_eq!(ask(&gateway, "/userss", "localhost", "").await.status, 404);
    let routes = gateway.json("/api/routes").await;
    let keys = routes["routes"].as_array().unwrap().iter().find(|one| one["plugin"] == "consumer-keys").unwrap();
    assert!(keys["chains"]["data"].as_array().unwrap().iter().any(|set| set == "consumer-keys:keys"), "{keys}");
    let of_users: Vec<&Value> =
        routes["routes"].as_array().unwrap().iter().filter(|r| r["service"] == "users").collect();
    assert_eq!(of_users.len(), 3, "{routes:#}");
    assert!(
        of_users.iter().any(|r| r["route"] == "list" && r["path"] == "/users" && r["label"] == "service:users/list")
    );
    let chain = of_users[0]["chain"].as_array().unwrap();
    assert!(chain.iter().any(|set| set.as_str().unwrap().starts_with("consumer-keys:")), "{chain:?}");
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("service:users/list"), "{metrics}");
    let labels = ["upstream=\"users\"", "target=\"0\""];
    assert_eq!(sample(&metrics, "buntime_upstream_target_requests_total", &labels) as u64, 2, "{metrics}");
    assert!(metrics.contains("buntime_upstream_target_up{upstream=\"bare\",target=\"0\"} 1"), "{metrics}");
    let health = gateway.json("/p/health/api/health").await;
    let checks = health["checks"].as_array().unwrap();
    assert!(checks.iter().any(|one| one["name"] == "upstream:users" && one["status"] == "healthy"), "{health:#}");
    gateway.stop().await;
}

#[tokio::test]
async fn explain_says_what_runs_why_there_and_who_said_it() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = start(config(&upstream.url())).await;
    let told = gateway.json("/api/explain?method=get&path=/users/1&consumer=acme").await;
    assert_eq!(
        told["route"],
        json!({ "type": "service", "label": "service:users/list", "service": "users",
        "route": "list", "public": false })
    );
    assert_eq!(
        told["levels"].to_string(),
        json!(["gateway", { "service": "users" }, { "route": ["users", "list"] },
        { "consumer_group": "everyone" }, { "consumer_group": "premium" }, { "consumer": "acme" }])
        .to_string()
    );
    let chain = told["chain"].as_array().unwrap();
    let names: Vec<&str> = chain.iter().map(|one| one["plugin"].as_str().unwrap()).collect();
    let at = |name: &str| names.iter().position(|one| *one == name).unwrap_or_else(|| panic!("{name} in {names:?}"));
    assert!(at("metrics") < at("consumer-keys") && at("consumer-keys") < at("stamp"), "{names:?}");
    assert_eq!(told["beforeConsumer"], at("consumer-keys") + 1);
    let stamp = &chain[at("stamp")];
    assert_eq!(stamp["because"], "priority 15: the plugin's own");
    assert_eq!(stamp["settings"]["secretToken"], "***", "{stamp:#}");
    assert!(!told.to_string().contains("never-shown") && !told.to_string().contains("key-of"), "{told:#}");
    let from = |at: &str| {
        let all = stamp["settingsFrom"].as_array().unwrap();
        all.iter().find(|from| from["at"] == at).map(|from| from["level"].clone()).unwrap_or_default()
    };
    assert_eq!(from("/texts/main/text"), json!({ "route": ["users", "list"] }), "{stamp:#}");
    assert_eq!(from("/texts/extra"), json!({ "service": "users" }), "{stamp:#}");
    assert_eq!(from("/texts/group/text"), json!({ "consumer_group": "premium" }), "{stamp:#}");
    assert_eq!(from("/secretToken"), json!("gateway"), "{stamp:#}");
    for (path, kind, runs) in [
        ("/api/plugins", "runtime", "observers"),
        ("/livez", "runtime", "nothing"),
        ("/p/metrics/api/stats", "plugin", "observers"),
        ("/nowhere", "none", "chain"),
        ("/", "runtime", "observers"),
    ] {
        let told = gateway.json(&format!("/api/explain?path={path}")).await;
        assert_eq!((&told["route"]["type"], &told["runs"]), (&json!(kind), &json!(runs)), "{path}: {told:#}");
    }
    let quiet = gateway.json("/api/explain?path=/quiet").await;
    let left_out = quiet["leftOut"].as_array().unwrap();
    assert!(left_out.iter().any(|one| one["plugin"] == "stamp"), "{quiet:#}");
    for (bad, status) in [("path=nope", 400), ("consumer=nobody", 404), ("pth=/", 400), ("method=%20", 400)] {
        assert_eq!(gateway.get(&format!("/api/explain?{bad}")).await.status, status, "{bad}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_reload_swaps_services_and_scopes_as_one() {
    let (one, two) = (FakeUpstream::start(echo()).await, FakeUpstream::start(echo()).await);
    let gateway = start(config(&one.url())).await;
    assert_eq!(stamp(&gateway, "/users/1", "key-of-basic").await, "list,service,everyone");
    let mut next = config(&two.url());
    next["services"][1]["plugins"] = json!([["stamp", text("extra", "renewed")]]);
    next["consumers"][1]["match"] = json!([{ "apiKey": "new-key" }]);
    gateway.replace(&next);
    eventually("it is reloaded", async || stamp(&gateway, "/users/1", "").await == "list,renewed").await;
    assert_eq!(stamp(&gateway, "/users/1", "key-of-basic").await, "list,renewed");
    assert_eq!(stamp(&gateway, "/users/1", "new-key").await, "list,renewed,everyone");
    assert!(ask(&gateway, "/users/1", "localhost", "").await.text().contains(&two.url().replace("http://", "host: ")));
    // What is wrong in a scope is told at its place, and changes nothing.
    let mut bad = next.clone();
    bad["consumers"][0]["plugins"] = json!([["@buntime/plugin-metrics", {}]]);
    gateway.replace(&bad);
    let reload = gateway.send(http::Method::POST, "/api/config/reload", &json!({})).await;
    assert_eq!(reload.status, 422, "{}", reload.text());
    assert!(reload.text().contains("/consumers/0/plugins/0"), "{}", reload.text());
    assert_eq!(stamp(&gateway, "/users/1", "new-key").await, "list,renewed,everyone");
    gateway.stop().await;
}
