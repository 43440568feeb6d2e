//! The data path: what answers where, behind which chain, in which shape.

use axum::{
    Router,
    extract::OriginalUri,
    routing::{get, post},
};
use buntime_core::{Access, Cx, Http, Matched, RouteMatch, RouteSource, Step, handler_fn};
use buntime_testing::Journal;
use http::{Response, request::Parts};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::fixture::{Setup, fake};

#[tokio::test]
async fn the_runtimes_own_paths() {
    let gateway = Setup::new(&json!({})).start().await;
    assert_eq!(gateway.get("/livez").await.expect(200).json(), json!({ "status": "live" }));
    assert_eq!(gateway.get("/readyz").await.expect(200).json(), json!({ "status": "ready" }));
    let known = gateway.get("/.well-known/buntime").await.expect(200).json();
    assert_eq!(known, json!({ "api": "/api", "version": runner::VERSION }));
    gateway.get("/favicon.ico").await.expect(204);
    let page = gateway.get("/").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let asked = gateway.request(Method::GET, "/").header("accept", "application/json");
    assert_eq!(gateway.send(asked).await.expect(200).json()["name"], "buntime");
    for path in ["/livez", "/readyz", "/", "/.well-known/buntime"] {
        let refused = gateway.send(gateway.request(Method::POST, path)).await.expect(405);
        assert_eq!(
            (refused.header("allow"), refused.json()["code"].as_str().unwrap()),
            ("GET, HEAD", "method_not_allowed")
        );
        let head = gateway.send(gateway.request(Method::HEAD, path)).await.expect(200);
        assert_eq!(head.text, "");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_errors_have_one_shape() {
    let gateway = Setup::new(&json!({ "plugins": ["metrics"] })).start().await;
    for path in ["/livez", "/", "/nope", "/p/nope", "/p", "/p/metrics/nope", "/api/nope", "/api", "/a%2Fb", "/../x"] {
        let sent = gateway.request(Method::GET, path).header("x-request-id", "mine-1");
        let answer = gateway.send(sent).await;
        assert_eq!(answer.header("x-request-id"), "mine-1", "{path}");
        if answer.status.is_client_error() {
            let problem = answer.json();
            assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
            assert_eq!(problem["request_id"], "mine-1", "{path}: {problem}");
            for member in ["type", "title", "status", "detail", "code", "error"] {
                assert!(!problem[member].is_null(), "{path}: {member}");
            }
        }
    }
    assert_eq!(gateway.get("/a%2Fb").await.expect(400).json()["code"], "malformed_request");
    assert_eq!(gateway.get("/nope").await.expect(404).header("x-request-id").len(), 36);
    gateway.stop().await;
}

/// Claims what begins with a prefix.
struct Claims(&'static str);

impl RouteSource for Claims {
    fn find(&self, head: &Parts) -> Option<RouteMatch> {
        head.uri.path().starts_with(self.0).then(|| RouteMatch {
            matched: Arc::new(Matched { label: "fake:claims".into(), plugin: None, public: false, data: None }),
            handler: Arc::new(handler_fn(|cx: &mut Cx<Http>| {
                let head = cx.request();
                let said = json!({ "path": head.uri.path(), "cookie": head.headers.get("cookie").map(|v| v.to_str().unwrap()),
                                   "forged": head.headers.contains_key("x-identity"),
                                   "route": &*cx.route().unwrap().label });
                Step::ready(Response::new(said.to_string().into()).into())
            })),
        })
    }

    fn list(&self) -> Vec<Value> {
        vec![json!({ "label": "fake:claims" })]
    }
}

#[tokio::test]
async fn sources_come_after_the_runtimes_own_paths_and_before_the_root() {
    let claims = fake("claims").offering(|startup| startup.route_source(Arc::new(Claims("/"))));
    let gateway = Setup::new(&json!({ "plugins": ["claims", "metrics"] })).fake(claims).start().await;
    assert_eq!(gateway.get("/livez").await.json()["status"], "live");
    gateway.get("/p/nope").await.expect(404);
    gateway.get("/api/nope").await.expect(404);
    gateway.get("/p/metrics/api/stats").await.expect(200);
    assert_eq!(gateway.get("/").await.expect(200).json()["route"], "fake:claims");
    assert_eq!(gateway.get("/apix/./y//z").await.expect(200).json()["path"], "/apix/y/z");
    let listed = gateway.get("/api/routes").await.json();
    assert!(listed["routes"].as_array().unwrap().iter().any(|route| route["label"] == "fake:claims"), "{listed}");
    gateway.stop().await;
}

#[tokio::test]
async fn services_see_neither_our_session_nor_forged_headers() {
    let claims = fake("claims").offering(|startup| startup.route_source(Arc::new(Claims("/x"))));
    let gateway = Setup::new(&json!({ "plugins": ["claims"] })).fake(claims).start().await;
    let request =
        gateway.request(Method::GET, "/x").header("cookie", "a=1; buntime_session=secret").header("x-identity", "{}");
    let said = gateway.send(request).await.expect(200).json();
    assert_eq!((said["cookie"].as_str(), said["forged"].as_bool()), (Some("a=1"), Some(false)));
    gateway.stop().await;
}

#[tokio::test]
async fn access_decides_the_chain_of_each_route() {
    let journal = Journal::default();
    let plugin = buntime_testing::FakePlugin::new("routes", &journal).offering(|startup| {
        let path = |OriginalUri(uri): OriginalUri| async move { uri.to_string() };
        startup.routes(Access::Data, Router::new().route("/api/item", get(path)));
        startup.routes(Access::Admin, Router::new().route("/api/item", post(|| async { "made" })));
        startup.routes(Access::Public, Router::new().route("/api/open", get(|| async { "open" })));
    });
    let gateway =
        Setup::new(&json!({ "plugins": ["routes"], "admin": { "token": "secret" } })).fake(plugin).start().await;
    journal.take();
    assert_eq!(gateway.get("/p/routes/api/item?q=1").await.expect(200).text, "/p/routes/api/item?q=1");
    assert!(journal.take().contains(&"routes.pre".to_owned()), "the chain runs for data");
    gateway.get("/p/routes/api/open").await.expect(200);
    gateway.send(gateway.request(Method::POST, "/p/routes/api/item")).await.expect(401);
    let signed = gateway.request(Method::POST, "/p/routes/api/item").bearer_auth("secret");
    assert_eq!(gateway.send(signed).await.expect(200).text, "made");
    gateway.get("/p/routes/api/nope").await.expect(404);
    assert_eq!(journal.take(), Vec::<String>::new(), "only observers run elsewhere");
    let refused = gateway.send(gateway.request(Method::PUT, "/p/routes/api/open")).await.expect(405);
    assert!(refused.header("allow").contains("GET"), "{:?}", refused.headers);
    assert_eq!(refused.json()["code"], "method_not_allowed");
    gateway.get("/elsewhere").await.expect(404);
    assert!(journal.take().contains(&"routes.pre".to_owned()), "what matches nothing runs the gateway's chain");
    gateway.stop().await;
}

#[tokio::test]
async fn a_page_is_guarded_whatever_it_is_made_of() {
    let page = fake("page").offering(|startup| {
        startup.ui(Access::Admin, Router::new().fallback(|| async { "the page" }));
        startup.routes(Access::Public, Router::new().route("/api/open", get(|| async { "open" })));
    });
    let gateway = Setup::new(&json!({ "plugins": ["page"], "admin": { "token": "secret" } })).fake(page).start().await;
    let moved = gateway.get("/p/page").await.expect(308);
    assert_eq!(moved.header("location"), "/p/page/");
    gateway.get("/p/page/").await.expect(401);
    gateway.get("/p/page/deep/asset.js").await.expect(401);
    let browser = gateway.request(Method::GET, "/p/page/").header("accept", "text/html,*/*;q=0.8");
    let form = gateway.send(browser).await.expect(401);
    assert!(form.text.contains("action=\"/api/session\"") && form.text.contains("value=\"/p/page/\""), "{}", form.text);
    let signed = gateway.request(Method::GET, "/p/page/").header("x-api-key", "secret");
    assert_eq!(gateway.send(signed).await.expect(200).text, "the page");
    gateway.get("/p/page/api/open").await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn routes_that_contradict_each_other_cost_one_plugin() {
    let twice = fake("twice").offering(|startup| {
        startup.routes(Access::Public, Router::new().route("/x", get(|| async { "a" })));
        startup.routes(Access::Admin, Router::new().route("/x", get(|| async { "b" })));
    });
    let gateway = Setup::new(&json!({ "plugins": ["twice", "metrics"] })).fake(twice).start().await;
    gateway.get("/p/twice/x").await.expect(404);
    gateway.get("/p/metrics/api/stats").await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_and_times_are_limited() {
    let slow = fake("slow").offering(|startup| {
        startup.routes(Access::Data, Router::new().route("/", get(std::future::pending::<&str>)));
        startup.routes(Access::Data, Router::new().route("/echo", post(|body: String| async { body })));
    });
    let config = json!({ "plugins": ["slow"], "server": { "requestTimeout": "50ms", "maxBodySize": "8b" } });
    let gateway = Setup::new(&config).fake(slow).start().await;
    assert_eq!(gateway.get("/p/slow/").await.expect(504).json()["code"], "upstream_timeout");
    let post = |body: &'static str| gateway.request(Method::POST, "/p/slow/echo").body(body);
    assert_eq!(gateway.send(post("12345678")).await.expect(200).text, "12345678");
    assert_eq!(gateway.send(post("123456789")).await.expect(413).json()["code"], "payload_too_large");
    gateway.stop().await;
}
