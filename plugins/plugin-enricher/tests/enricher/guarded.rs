//! Every call goes through the guard, and none shows what it carries.

use std::sync::Arc;

use axum::body::Body;
use buntime_core::{Clock, services::Services};
use buntime_ssrf::{Guard, GuardedClient, Outbound, OutboundSettings, Policy, testing::FakeNames};
use http::Response;
use serde_json::json;

use crate::common::{Api, get, json_answer, send, start, stats, tier, with};

#[tokio::test]
async fn what_a_request_names_is_judged() {
    let api = Api::saying(json!({ "tier": "gold" })).await;
    let port = api.server.address().port();
    for endpoint in ["{{header.x-url}}", "http://{{header.x-host}}/", "http://{{header.x-host}}:80/a"] {
        let host = start(tier(endpoint.to_owned(), json!({}))).await;
        for name in ["127.0.0.1", "localhost", "169.254.169.254", "2130706433", "[::1]", "metadata.google.internal"] {
            let url = format!("http://{name}:{port}/");
            let came = send(&host, get("/", &[("x-url", &url), ("x-host", name)])).await;
            assert_eq!(
                (came.status, came.code().as_str(), came.reached.is_some()),
                (502, "enrichment_failed", false),
                "{endpoint} {name}"
            );
            assert!(!came.text.contains("127.0") && !came.text.contains("169.254"), "{}", came.text);
        }
        assert_eq!(stats(&host).await["circuit"], "closed", "what requests name says nothing of the API");
    }
    assert!(api.seen().is_empty());
}

#[tokio::test]
async fn what_a_request_names_and_the_guard_allows_is_called() {
    let api = Api::saying(json!({ "tier": "gold" })).await;
    let names = Arc::new(FakeNames::new().with("a.example", &["93.184.216.34"]));
    let client = GuardedClient::new(Guard::with_resolver(Policy::default(), names))
        .detour("93.184.216.34:80".parse().unwrap(), api.server.address());
    let services = Services::default();
    services.provide::<Outbound>(Arc::new(Outbound::from(client)));
    let host = with(tier("http://{{header.x-host}}/x".to_owned(), json!({})), services, Clock::system()).await;
    assert_eq!(send(&host, get("/", &[("x-host", "a.example")])).await.reached().headers["x-tier"], "gold");
}

#[tokio::test]
async fn what_the_configuration_lists_is_called_until_it_is_not_listed_any_more() {
    let api = Api::saying(json!({ "tier": "gold" })).await;
    let listed: OutboundSettings = serde_json::from_value(json!({ "allowSuffixes": [".corp.internal"] })).unwrap();
    let names = FakeNames::new().with("billing.corp.internal", &["10.1.2.3"]).with("crm.corp.internal", &["10.1.2.3"]);
    let guard = Guard::with_resolver(listed, Arc::new(names));
    let client = GuardedClient::new(guard.clone()).detour("10.1.2.3:80".parse().unwrap(), api.server.address());
    let services = Services::default();
    services.provide::<Outbound>(Arc::new(Outbound::from(client)));
    let host = with(tier("http://{{header.x-host}}/x".to_owned(), json!({})), services, Clock::system()).await;
    let listed = send(&host, get("/", &[("x-host", "billing.corp.internal")])).await;
    assert_eq!(listed.reached().headers["x-tier"], "gold");
    // As a reload does.
    guard.replace(Policy::default());
    let came = send(&host, get("/", &[("x-host", "crm.corp.internal")])).await;
    assert_eq!((came.status, came.code().as_str()), (502, "enrichment_failed"));
    assert_eq!(stats(&host).await["failedBy"]["blocked"], 1);
}

#[tokio::test]
async fn a_value_does_not_lead_elsewhere_on_a_trusted_host() {
    let api = Api::saying(json!({ "tier": "gold" })).await;
    let host = start(tier(api.url("/users/{{header.x-user}}/profile"), json!({}))).await;
    for user in ["..", ".", "%2e%2e", "../../admin", "a?b=1", "@evil.example", "a#b"] {
        let came = send(&host, get("/", &[("x-user", user)])).await;
        assert!(came.status == 400 || came.status == 200, "{user}: {came:?}");
    }
    for seen in api.seen() {
        assert!(seen.uri.starts_with("/users/") && seen.uri.ends_with("/profile"), "{}", seen.uri);
    }
    assert_eq!(send(&host, get("/", &[])).await.status, 400, "a value that is not there fails the call");
}

#[tokio::test]
async fn redirects_are_judged() {
    let target = Api::saying(json!({ "tier": "secret" })).await;
    let location = target.url("/");
    let api = Api::start(move |_| {
        Response::builder().status(302).header("location", location.as_str()).body(Body::empty()).unwrap()
    })
    .await;
    let host = start(tier(api.url("/"), json!({ "headers": { "x-key": "hunter2" } }))).await;
    let came = send(&host, get("/", &[])).await;
    assert_eq!((came.status, came.code().as_str(), target.seen().len()), (502, "enrichment_failed", 0));
    assert!(!came.text.contains("hunter2") && !came.text.contains("127.0.0.1"), "{}", came.text);
    assert_eq!(stats(&host).await["failedBy"]["blocked"], 1);

    let own = Api::start(|number| match number {
        1 => Response::builder().status(307).header("location", "/there").body(Body::empty()).unwrap(),
        _ => json_answer(200, &json!({ "tier": "gold" })),
    })
    .await;
    let host = start(tier(own.url("/here"), json!({}))).await;
    assert_eq!(send(&host, get("/", &[])).await.reached().headers["x-tier"], "gold");
    assert_eq!(own.last().uri, "/there");
}
