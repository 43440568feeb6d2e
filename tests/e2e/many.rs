//! Very many of something: routes that overlap, groups of one consumer, reloads.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use axum::body::Body;
use buntime_core::{
    BoxError, Capability, Cx, HookSet, Hooks, Http, Metadata, Plugin, PluginContext, Post, Settings, SettingsSpec,
    Stages, Startup, Step,
};
use buntime_testing::{FakeUpstream, eventually};
use buntime_tests::{Gateway, Process, Stamp, client, echo, hello};
use http::{HeaderValue, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Four routes for each of 2,500 paths: for any host, for an exact one, for a wildcard, and for one method. Each kind
/// has services of its own, which show in the path that the upstream sees.
fn overlapping(upstream: &str) -> Value {
    let services = ["any", "exact", "wild", "post"].into_iter().flat_map(|kind| {
        (0..25).map(move |a| {
            let routes = (0..100).map(|b| {
                let mut route = json!({ "name": format!("r{b}"), "paths": [format!("/a{a}/b{b}")] });
                match kind {
                    "exact" => route["hosts"] = json!([format!("t{a}.example.org")]),
                    "wild" => route["hosts"] = json!(["*.example.org"]),
                    "post" => route["methods"] = json!(["POST"]),
                    _ => {}
                }
                // The last of each are everything below, by prefix and by pattern.
                match b {
                    98 => route["paths"] = json!([format!("/a{a}")]),
                    99 => route["paths"] = json!([format!("~^/x{a}-[0-9]+/")]),
                    _ => {}
                }
                route
            });
            json!({
                "name": format!("{kind}-{a}"),
                "upstream": { "targets": [{ "url": format!("{upstream}/{kind}-{a}") }] },
                "routes": routes.collect::<Vec<_>>(),
            })
        })
    });
    json!({ "plugins": ["@buntime/plugin-metrics"], "services": services.collect::<Vec<_>>() })
}

#[tokio::test]
async fn ten_thousand_routes_that_overlap() {
    let upstream = FakeUpstream::start(echo()).await;
    let gateway = Gateway::start(overlapping(&upstream.url())).await;
    for a in [0, 1, 13, 24] {
        let exact = format!("t{a}.example.org");
        let deep = format!("/a{a}/b97/c");
        for (method, host, path, kind, route) in [
            ("GET", "localhost", format!("/a{a}/b0"), "any", 0),
            ("GET", &exact, format!("/a{a}/b0"), "exact", 0),
            ("POST", &exact, format!("/a{a}/b42"), "exact", 42),
            ("GET", "other.example.org", format!("/a{a}/b42"), "wild", 42),
            ("POST", "localhost", format!("/a{a}/b42"), "post", 42),
            ("GET", "example.org", deep.clone(), "any", 97),
            ("DELETE", &exact, deep.clone(), "exact", 97),
            ("GET", "localhost", format!("/a{a}/b970"), "any", 98),
            ("POST", "deep.in.example.org", format!("/a{a}"), "wild", 98),
            ("POST", "localhost", format!("/x{a}-7/y"), "post", 99),
            ("GET", &exact, format!("/x{a}-77/y"), "exact", 99),
        ] {
            let what = format!("{method} {host}{path}");
            let request = http::Request::builder().method(method).uri(&path).header("host", host);
            let seen = client::send(gateway.addr(), request.body(Body::empty()).unwrap()).await.text();
            assert!(seen.starts_with(&format!("{method} /{kind}-{a}{path}\n")), "{what}: {seen}");
            let told = gateway.json(&format!("/api/explain?method={method}&host={host}&path={path}")).await;
            assert_eq!(told["route"]["label"], format!("service:{kind}-{a}/r{route}"), "{what}");
        }
    }
    for nobody in ["/a25/b0", "/a1x", "/x1-/y", "/x1-1"] {
        assert_eq!(gateway.get(nobody).await.status, 404, "{nobody}");
    }
    let listed = gateway.json("/api/routes").await;
    let services = listed["routes"].as_array().unwrap().iter().filter(|route| route["type"] == "service");
    assert_eq!(services.count(), 10_000);
    gateway.stop().await;
}

#[tokio::test]
async fn a_consumer_in_twenty_groups() {
    let upstream = FakeUpstream::start(hello()).await;
    let text = |name: &str, text: &str| json!(["stamp", { "texts": [{ "name": name, "text": text }] }]);
    // By priority, then name: g19, g18, …, though the consumer lists them the other way round.
    let groups = (0..20).map(|at| {
        let own = format!("g{at}");
        json!({ "name": own, "priority": 100 - at / 2, "plugins": [["stamp", { "texts": [
            { "name": own, "text": own }, { "name": "last", "text": format!("last:{own}") }] }]] })
    });
    let config = json!({
        "plugins": [text("first", "gateway")],
        "services": [{ "name": "s", "upstream": { "targets": [{ "url": upstream.url() }] },
            "routes": [{ "name": "all", "paths": ["/s"] }] }],
        "consumerGroups": groups.collect::<Vec<_>>(),
        "consumers": [{ "name": "c", "groups": (0..20).map(|at| format!("g{at}")).collect::<Vec<_>>(),
            "match": [{ "apiKey": "the-key" }], "plugins": [text("own", "consumer")] }],
    });
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start_in(dir, config, |options| options.catalog.add(Stamp).unwrap()).await;
    let request = client::request("GET", "/s").header("x-api-key", "the-key").body(Body::empty()).unwrap();
    let answer = client::send(gateway.addr(), request).await;
    let words: Vec<&str> = answer.header("x-stamp").split([',', ' ']).collect();
    let mut order: Vec<String> = (0..20).map(|at| format!("g{at}")).collect();
    order.sort_by_key(|name| (100 - name[1..].parse::<i32>().unwrap() / 2, name.clone()));
    // An entry stands where it was named first, and says what the most specific says.
    let last = format!("last:{}", order[19]);
    let mut expected: Vec<&str> = vec!["gateway", &order[0], &last];
    expected.extend(order[1..].iter().map(String::as_str));
    expected.extend(["consumer", "1"]);
    assert_eq!(words, expected);
    let told = gateway.json("/api/explain?path=/s&consumer=c").await;
    // Those that say anything: the service and its route do not.
    assert_eq!(told["levels"].as_array().unwrap().len(), 1 + 20 + 1, "{told:#}");
    gateway.stop().await;
}

/// Fifty routes, each with its own settings of a plugin.
fn fifty(upstream: &str, plugins: &Value, plugin: &str, settings: impl Fn(usize) -> Value) -> Value {
    let routes = (0..50).map(
        |at| json!({ "name": format!("r{at}"), "paths": [format!("/r{at}")], "plugins": [[plugin, settings(at)]] }),
    );
    json!({
        "plugins": plugins,
        "services": [{ "name": "s", "upstream": { "targets": [{ "url": upstream }] },
            "routes": routes.collect::<Vec<_>>() }],
    })
}

/// Tells how many of its instances run.
#[derive(Clone, Default)]
struct Census(Arc<AtomicUsize>);

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CensusSettings {
    /// What answers say.
    word: String,
}

impl Settings for CensusSettings {}

#[async_trait]
impl Plugin for Census {
    fn metadata(&self) -> Metadata {
        Metadata::new("census", "1.0.0").with_capabilities([Capability::Middleware])
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<CensusSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: CensusSettings = startup.settings()?;
        startup.hooks(HookSet::new("census", Says(HeaderValue::try_from(settings.word)?)));
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn shutdown(&self, _: &PluginContext) -> Result<(), BoxError> {
        self.0.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

struct Says(HeaderValue);

impl Hooks<Http> for Says {
    fn stages(&self) -> Stages {
        Stages::POST
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        if let Some(head) = cx.response_mut() {
            head.headers.insert("x-census", self.0.clone());
        }
        Step::ready(Post::Continue)
    }
}

#[tokio::test]
async fn a_thousand_reloads_leave_what_is_configured() {
    let upstream = FakeUpstream::start(hello()).await;
    let plugins = json!(["@buntime/plugin-metrics"]);
    // One half of the routes changes with each reload, the other stays.
    let config = |turn: usize| {
        let word = |at: usize| json!({ "word": if at < 25 { format!("turn-{turn}") } else { "same".to_owned() } });
        fifty(&upstream.url(), &plugins, "census", word)
    };
    let census = Census::default();
    let (dir, added) = (tempfile::tempdir().unwrap(), census.clone());
    // Reloaded when the test says so, and not by the watch as well.
    let gateway = Gateway::start_in(dir, config(0), |options| {
        options.catalog.add(added).unwrap();
        options.watch = false;
    })
    .await;
    let at_first = gateway.running().host().live().instances();
    for turn in 1..=1000 {
        gateway.replace(&config(turn % 2));
        gateway.running().reload("a test").await.unwrap();
        if turn % 100 == 0 {
            let answer = gateway.get("/r7").await;
            assert_eq!(answer.header("x-census"), format!("turn-{}", turn % 2));
            assert_eq!(gateway.get("/r40").await.header("x-census"), "same");
        }
    }
    assert_eq!(gateway.running().host().live().instances(), at_first);
    eventually("exactly what is configured runs", async || census.0.load(Ordering::SeqCst) == 50).await;
    gateway.stop().await;
    assert_eq!(census.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_thousand_reloads_leave_memory_where_it_was() {
    let upstream = FakeUpstream::start(hello()).await;
    let dir = tempfile::tempdir().unwrap();
    let plugins = json!(["@buntime/plugin-metrics", "@buntime/plugin-fallback"]);
    let config = |turn: usize| {
        let settings =
            |at: usize| json!({ "documents": [{ "when": { "status": ["5xx"] }, "body": format!("{turn} {at}") }] });
        let mut config = fifty(&upstream.url(), &plugins, "@buntime/plugin-fallback", settings);
        config["server"] = json!({ "port": 0 });
        config["log"] = json!({ "level": "error" });
        config.to_string()
    };
    let file = dir.path().join("buntime.jsonc");
    fs::write(&file, config(0)).unwrap();
    let Some(process) = Process::serve(dir.path(), &[], &[]).await else { return };
    let mut settled = None;
    for turn in 1..=1000 {
        let next = dir.path().join("next");
        fs::write(&next, config(turn % 2)).unwrap();
        fs::rename(&next, &file).unwrap();
        let request = client::request(Method::POST.as_str(), "/api/config/reload").body(Body::empty()).unwrap();
        let answer = client::send(process.addr(), request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(client::get(process.addr(), &format!("/r{}", turn % 50)).await.text(), "hello");
        if turn == 200 {
            settled = process.status("VmRSS");
        }
    }
    let fallback = client::get(process.addr(), "/api/plugins/fallback").await.json();
    assert_eq!(fallback["scopes"].as_array().map(Vec::len), Some(51), "{fallback:#}");
    let (Some(settled), Some(now)) = (settled, process.status("VmRSS")) else { return };
    assert!(now < settled + 8192, "{settled} kB after 200 reloads, {now} kB after 1,000");
}
