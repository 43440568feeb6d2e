//! Which rule answers, when, and what the administrative API shows.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{Router, body::Body, routing::get as route};
use buntime_core::{BoxError, Capability, HookSet, Hooks, Host, Http, Metadata, Plugin, Stages, Startup};
use buntime_testing::{FakePlugin, FakeUpstream, Journal, TestRuntime, eventually};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use plugin_proxy::ProxyPlugin;
use serde_json::{Value, json};
use tower::ServiceExt;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{echo, get, proxy, request, send, whole};

#[tokio::test]
async fn the_first_match_wins_and_a_guarded_rule_lets_the_chain_go_first() {
    let upstream = FakeUpstream::start(echo()).await;
    let journal = Journal::default();
    let rules = json!([
        { "name": "guarded", "pattern": "^/a/guarded", "target": upstream.url(), "guard": true },
        { "name": "open", "pattern": "^/a/", "target": upstream.url() },
        { "name": "never", "pattern": "^/a/x", "target": "http://127.0.0.1:1" },
    ]);
    let runtime = TestRuntime::builder()
        .plugin(FakePlugin::new("observer", &journal).at(1), json!({}))
        .plugin(ProxyPlugin, json!({ "rules": rules }))
        .plugin(FakePlugin::new("later", &journal).at(10), json!({}))
        .start()
        .await;
    journal.take();
    assert_eq!(get(runtime.address(), "/a/x").await.0, StatusCode::OK);
    eventually("it is completed", || async { journal.line().contains("observer.complete") }).await;
    assert_eq!(journal.line(), "observer.pre observer.post observer.complete(whole)");
    journal.take();
    assert_eq!(get(runtime.address(), "/a/guarded").await.0, StatusCode::OK);
    eventually("it is completed", || async { journal.line().contains("observer.complete") }).await;
    let line = journal.line();
    assert!(line.starts_with("observer.pre later.pre later.post observer.post"), "{line}");
    runtime.stop().await;
}

#[tokio::test]
async fn a_guarded_rule_is_not_asked_when_the_chain_refuses() {
    let upstream = FakeUpstream::start(Router::new().fallback(route(|| async { "reached" }))).await;
    let rules = json!([{ "pattern": "^/", "target": upstream.url(), "guard": true }]);
    let refuse = buntime_testing::Act::Refuse(buntime_core::ErrorKind::Unauthorized);
    let runtime = TestRuntime::builder()
        .plugin(ProxyPlugin, json!({ "rules": rules }))
        .plugin(FakePlugin::new("auth", &Journal::default()).at(10).on(buntime_core::Stage::Pre, refuse), json!({}))
        .start()
        .await;
    assert_eq!(get(runtime.address(), "/").await.0, StatusCode::UNAUTHORIZED);
    runtime.stop().await;
}

#[tokio::test]
async fn a_route_says_its_label_and_whether_it_is_public() {
    let runtime = proxy(json!([
        { "name": "named", "pattern": "^/a/", "target": "http://127.0.0.1:1", "publicRoutes": { "GET": ["/a/open/**"] } },
        { "pattern": "^/b/", "target": "http://127.0.0.1:1" },
    ]))
    .await;
    let sources = runtime.host().live().sources();
    let find = |method: &str, path: &str| {
        let (head, ()) = Request::builder().method(method).uri(path).body(()).unwrap().into_parts();
        sources[0].find(&head).map(|found| (found.matched.label.to_string(), found.matched.public))
    };
    assert_eq!(find("GET", "/a/open/x"), Some(("proxy:named".to_owned(), true)));
    assert_eq!(find("POST", "/a/open/x"), Some(("proxy:named".to_owned(), false)));
    assert_eq!(find("GET", "/b/x"), Some(("proxy:1".to_owned(), false)));
    assert_eq!(find("GET", "/c"), None);
    assert_eq!(sources[0].list().len(), 2);
    runtime.stop().await;
}

#[tokio::test]
async fn the_api_shows_rules_and_fragments_but_no_secrets() {
    let runtime = proxy(json!([
        { "pattern": "^/a/(.*)$", "target": "http://127.0.0.1:1/x", "headers": { "authorization": "Bearer geheim" } },
        { "id": "mine", "name": "shop", "pattern": "^/shop/", "target": "https://shop.example:8443/x", "secure": false,
          "base": "/shop", "fragment": { "sandbox": "iframe" } },
    ]))
    .await;
    let (status, _, body) = get(runtime.address(), "/p/proxy/api/rules").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!body.contains("geheim"), "{body}");
    let rules: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(rules[0]["id"], "static-0");
    assert_eq!(rules[0]["headers"]["authorization"], "***");
    assert_eq!((&rules[1]["id"], &rules[1]["readonly"]), (&json!("mine"), &json!(true)));
    let (status, _, body) = get(runtime.address(), "/p/proxy/api/rules/mine").await;
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (StatusCode::OK, rules[1].clone()));
    let (status, _, body) = get(runtime.address(), "/p/proxy/api/rules/none").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("Rule not found"), "{body}");
    let (_, _, body) = get(runtime.address(), "/p/proxy/api/fragments").await;
    let expected = json!([{
        "id": "mine", "name": "shop", "pattern": "^/shop/", "base": "/shop", "origin": "https://shop.example:8443",
        "sandbox": "iframe", "allowMessageBus": true, "preloadStyles": null,
    }]);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    runtime.stop().await;
}

#[tokio::test]
async fn alone_as_a_layer_the_hook_matches_by_itself() {
    let upstream = FakeUpstream::start(echo()).await;
    let rules = json!([
        { "pattern": "^/up/(.*)$", "rewrite": "/$1", "target": upstream.url() },
        { "pattern": "^/guarded", "target": upstream.url(), "guard": true },
        { "pattern": "^/p/", "target": "http://127.0.0.1:1" },
    ]);
    let host = Host::builder().plugin(ProxyPlugin, json!({ "rules": rules })).start().await.unwrap();
    let own = Router::new().route("/own", route(|| async { "own" })).merge(host.admin_router());
    let app = own.layer(host.layer());
    let ask = |path: &str| {
        let asked = request("GET", path).header("x-forwarded-for", "6.6.6.6").body(Body::empty()).unwrap();
        let app = app.clone();
        async move {
            let response = app.oneshot(asked).await.unwrap();
            let status = response.status();
            (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
        }
    };
    assert_eq!(ask("/own").await, (StatusCode::OK, "own".to_owned()));
    let (_, body) = ask("/up/x?y").await;
    assert!(body.starts_with("GET /x?y HTTP/1.1"), "{body}");
    assert!(!body.contains("6.6.6.6"), "nobody vouches for this address: {body}");
    assert!(ask("/guarded").await.1.starts_with("GET /guarded HTTP/1.1"));
    assert_eq!(ask("/p/proxy/api/rules").await.0, StatusCode::OK);
    host.stop(std::time::Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_rewrite_that_makes_no_path_is_refused() {
    let upstream = FakeUpstream::start(echo()).await;
    let rules = json!([{ "pattern": "^/(.)x(.)/", "rewrite": "/$1$2/secret", "target": upstream.url() }]);
    let runtime = proxy(rules).await;
    let asked = request("GET", "/.x./").body(Body::empty()).unwrap();
    assert_eq!(whole(send(runtime.address(), asked).await).await.0, StatusCode::BAD_REQUEST);
    runtime.stop().await;
}

/// A plugin that says who is calling.
struct Auth;

struct Nothing;

impl Hooks<Http> for Nothing {
    fn stages(&self) -> Stages {
        Stages::PRE
    }
}

#[async_trait]
impl Plugin for Auth {
    fn metadata(&self) -> Metadata {
        Metadata::new("auth", "1.0.0").with_description("x").with_capabilities([Capability::AuthProvider])
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        startup.hooks::<Http>(HookSet::new("auth", Nothing));
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// One thread, so that the log of this test is this test's.
#[tokio::test(flavor = "current_thread")]
async fn the_start_warns_of_unguarded_rules_while_a_plugin_is_on_that_could_refuse() {
    let log = Log::default();
    let writer = log.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let rules = json!({ "rules": [
        { "name": "bare", "pattern": "^/a", "target": "http://127.0.0.1:1" },
        { "name": "safe", "pattern": "^/b", "target": "http://127.0.0.1:1", "guard": true },
    ] });
    let alone = Host::builder().plugin(ProxyPlugin, rules.clone()).start().await.unwrap();
    tokio::task::yield_now().await;
    alone.stop(std::time::Duration::from_secs(5)).await;
    assert!(!log.text().contains("guard"), "{}", log.text());
    let host = Host::builder().plugin(ProxyPlugin, rules).plugin(Auth, json!({})).start().await.unwrap();
    eventually("the warning is logged", || async { log.text().contains("WARN") }).await;
    let text = log.text();
    assert!(text.contains("the proxy rules `bare` answer before `auth` is asked") && !text.contains("safe"), "{text}");
    host.stop(std::time::Duration::from_secs(5)).await;
}
