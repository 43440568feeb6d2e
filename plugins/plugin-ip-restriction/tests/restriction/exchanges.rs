//! Exchanges through a host that has the plugin.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use buntime_core::{Host, Http, Meta, Step, handler_fn};
use http::{HeaderValue, Request, Response};
use plugin_ip_restriction::IpRestrictionPlugin;
use serde_json::{Value, json};
use tower::ServiceExt;

async fn start(settings: Value) -> Host {
    let host = Host::builder().plugin(IpRestrictionPlugin, settings).start().await;
    host.unwrap_or_else(|problems| panic!("{problems:#?}"))
}

async fn ask(host: &Host, ip: &str) -> Response<Body> {
    let handler = handler_fn::<Http, _>(|_| Step::ready(Response::new(Body::from("fine")).into()));
    let mut meta = Meta::new(HeaderValue::from_static("id"));
    meta.client_ip = ip.parse().unwrap();
    let chain = host.live().chain().clone();
    chain.respond(meta, Request::new(Body::empty()), Arc::new(handler)).await
}

async fn status(host: &Host, ip: &str) -> u16 {
    ask(host, ip).await.status().as_u16()
}

async fn json_of(response: Response<Body>) -> Value {
    serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap()
}

async fn api(host: &Host, path: &str) -> Response<Body> {
    let request = Request::builder().uri(format!("/p/ip-restriction/api{path}")).body(Body::empty()).unwrap();
    host.admin_router().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn deny_wins_and_allow_closes() {
    let host =
        start(json!({ "allow": ["10.0.0.0/8", "2001:db8::/32"], "deny": ["10.9.0.0/16", "2001:db8:bad::/48"] })).await;
    for (ip, expected) in [
        ("10.0.0.1", 200),
        ("10.9.255.255", 403),
        ("11.0.0.0", 403),
        ("::ffff:10.0.0.1", 200),
        ("::ffff:10.9.0.1", 403),
        ("2001:db8::1", 200),
        ("2001:db8:bad::1", 403),
        ("2001:db9::", 403),
        ("::10.0.0.1", 403),
        ("0.0.0.0", 403),
    ] {
        assert_eq!(status(&host, ip).await, expected, "{ip}");
    }
    let stats = json_of(api(&host, "/stats").await).await;
    assert_eq!((&stats["allowed"], &stats["denied"], &stats["observed"]), (&json!(3), &json!(7), &json!(0)));
    assert_eq!(stats["scopes"][0]["allowEntries"], 2);
}

#[tokio::test]
async fn a_refusal_is_a_problem_that_tells_no_address() {
    let host = start(json!({ "deny": ["192.0.2.0/24"] })).await;
    let refused = ask(&host, "192.0.2.7").await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["content-type"]),
        (403, &HeaderValue::from_static("application/problem+json"))
    );
    let problem = json_of(refused).await;
    assert_eq!((&problem["code"], &problem["request_id"]), (&json!("ip_denied"), &json!("id")));
    assert!(!problem.to_string().contains("192.0.2"), "{problem}");
    assert_eq!(status(&host, "192.0.3.1").await, 200);

    let told = start(json!({ "deny": ["192.0.2.0/24"], "status": 451, "message": "Not in your country" })).await;
    let problem = json_of(ask(&told, "192.0.2.7").await).await;
    assert_eq!((&problem["status"], &problem["detail"]), (&json!(451), &json!("Not in your country")));

    let hidden = start(json!({ "deny": ["192.0.2.0/24"], "status": 404 })).await;
    let problem = json_of(ask(&hidden, "192.0.2.7").await).await;
    assert_eq!(
        (&problem["code"], &problem["title"], &problem["detail"]),
        (&json!("not_found"), &json!("Not found"), &json!("Not found"))
    );
}

#[tokio::test]
async fn to_observe_is_to_count_and_let_through() {
    let host = start(json!({ "allow": ["10.0.0.0/8"], "mode": "observe" })).await;
    assert_eq!((status(&host, "10.0.0.1").await, status(&host, "192.0.2.1").await), (200, 200));
    let stats = json_of(api(&host, "/stats").await).await;
    assert_eq!((&stats["allowed"], &stats["denied"], &stats["observed"]), (&json!(1), &json!(0), &json!(1)));
}

#[tokio::test]
async fn an_operator_may_ask_about_an_address() {
    let host = start(json!({ "allow": ["10.0.0.0/8"], "deny": ["10.9.0.0/16"] })).await;
    for (ip, verdict) in [("10.0.0.1", "allowed"), ("::ffff:10.9.0.1", "denied"), ("192.0.2.1", "not_allowed")] {
        let said = json_of(api(&host, &format!("/check?ip={ip}")).await).await;
        assert_eq!(
            (&said["scopes"][0]["verdict"], &said["scopes"][0]["scope"]),
            (&json!(verdict), &json!("gateway")),
            "{said}"
        );
    }
    assert_eq!(json_of(api(&host, "/stats").await).await["allowed"], 0, "asking counts nothing");
    for wrong in ["/check", "/check?ip=x", "/check?ip=::1&x=1"] {
        assert_eq!(api(&host, wrong).await.status(), 400, "{wrong}");
    }
}

#[tokio::test]
async fn figures_outlive_a_restart_and_no_settings_do_nothing() {
    let host = start(json!({ "deny": ["10.0.0.0/8"] })).await;
    assert_eq!(status(&host, "10.0.0.1").await, 403);
    host.restart(&buntime_core::PluginName::new("ip-restriction")).await.unwrap();
    assert_eq!(status(&host, "10.0.0.1").await, 403);
    let stats = json_of(api(&host, "/stats").await).await;
    assert_eq!((&stats["denied"], stats["scopes"].as_array().map(Vec::len)), (&json!(2), Some(1)), "{stats}");

    let idle = start(json!({})).await;
    assert_eq!(status(&idle, "10.0.0.1").await, 200);
    assert_eq!(json_of(api(&idle, "/stats").await).await["scopes"], json!([]));
}
