//! What is asked, where fields go, and what stops a request.

use axum::body::Body;
use serde_json::json;

use crate::common::{Api, get, json_answer, post, send, start, stats, tier};

#[tokio::test]
async fn what_is_asked_is_made_of_the_request() {
    let api = Api::saying(json!({})).await;
    let settings = json!({
        "endpoint": api.url("/users/{{header.x-user}}/{{path.1}}?a=1"), "method": "PUT", "headers": { "x-key": "secret", "x-id": "{{request_id}}", "x-none": "{{header.x-none}}" },
        "query_params": { "q": "{{query.q}}", "none": "{{header.x-none}}" }, "body": { "who": "{{header.x-user}}", "n": "{{body/n}}", "all": "{{body}}" },
    });
    let host = start(settings).await;
    let mut request = post(r#"{"n":7}"#);
    *request.uri_mut() = "/orders?q=x%26y".parse().unwrap();
    request.headers_mut().insert("x-user", "a/b ?".parse().unwrap());
    let came = send(&host, request).await;
    assert_eq!((came.status, came.reached().body.as_ref()), (200, &br#"{"n":7}"#[..]));
    let asked = api.last();
    assert_eq!((asked.method.as_str(), asked.uri.as_str()), ("PUT", "/users/a%2Fb%20%3F/orders?a=1&q=x%26y"));
    assert_eq!(asked.body, r#"{"who":"a/b ?","n":7,"all":{"n":7}}"#);
    assert_eq!(
        (&asked.headers["x-key"], &asked.headers["x-id"], asked.headers.get("x-none")),
        (&"secret".parse().unwrap(), &"id".parse().unwrap(), None)
    );
    assert_eq!(asked.headers["content-type"], "application/json");
}

#[tokio::test]
async fn fields_go_where_they_belong() {
    let api = Api::saying(json!({ "user": { "tier": "gold", "id": 7, "roles": ["a", "b"] }, "none": null })).await;
    let settings = json!({ "calls": [{ "name": "profile", "endpoint": api.url("/"), "field_maps": [
        { "source": "user.tier", "destination": "header:x-tier" }, { "source": "/user/roles", "destination": "header:x-roles" },
        { "source": "user.id", "destination": "query:user" }, { "source": "user", "destination": "value:profile" },
        { "source": "user.id", "destination": "body:/by/id" }, { "source": "user.tier", "destination": "tier" },
        { "source": "none", "destination": "header:x-none" }, { "source": "missing", "destination": "query:missing" }, { "source": "missing", "destination": "body:forged" } ] }] });
    let host = start(settings).await;
    let mut request = post(r#"{"n":1,"forged":true}"#);
    *request.uri_mut() = "/orders?user=forged&a=%41&missing=forged".parse().unwrap();
    for name in ["x-tier", "x-none"] {
        request.headers_mut().append(name, "forged".parse().unwrap());
    }
    let came = send(&host, request).await;
    let reached = came.reached();
    assert_eq!(
        (&reached.headers["x-tier"], &reached.headers["x-roles"]),
        (&"gold".parse().unwrap(), &"a,b".parse().unwrap())
    );
    assert!(!reached.headers.contains_key("x-none"), "what a client says is no answer");
    assert_eq!(reached.uri.to_string(), "/orders?a=%41&user=7");
    assert_eq!(reached.body, r#"{"n":1,"by":{"id":7},"tier":"gold"}"#);
    assert_eq!(reached.headers["content-length"], reached.body.len().to_string());
    assert_eq!(reached.value, Some(json!({ "tier": "gold", "id": 7, "roles": ["a", "b"] })));
    assert_eq!(api.last().method, "POST");
}

#[tokio::test]
async fn answers_stop_requests() {
    let api = Api::start(|number| match number {
        1 => json_answer(200, &json!({ "blocked": true })),
        2 => json_answer(200, &json!({ "blocked": false, "score": 91 })),
        3 => json_answer(404, &json!({ "error": "hunter2" })),
        4 => json_answer(200, &json!({ "blocked": false, "odd": 1 })),
        _ => json_answer(200, &json!({ "blocked": false, "tier": "gold" })),
    })
    .await;
    let conditions = json!([
        { "field": "odd", "operator": "exists", "stop_flow": false },
        { "field": "blocked", "operator": "eq", "value": true, "stop_flow": true, "message": "blocked" },
        { "field": "score", "operator": "gt", "value": 90, "status": 403 }, { "statuses": ["404"], "message": "unknown", "status": 401 },
    ]);
    let host = start(tier(api.url("/"), json!({ "conditions": conditions }))).await;
    for (status, code, message) in [
        (422, "enrichment_stopped", "blocked"),
        (403, "enrichment_stopped", "not allowed"),
        (401, "enrichment_stopped", "unknown"),
    ] {
        let came = send(&host, get("/", &[])).await;
        assert_eq!((came.status, came.code().as_str(), came.reached.is_some()), (status, code, false));
        assert!(came.text.contains(message) && !came.text.contains("hunter2"), "{}", came.text);
    }
    assert_eq!(send(&host, get("/", &[])).await.status, 200);
    assert_eq!(send(&host, get("/", &[])).await.reached().headers["x-tier"], "gold");
    let seen = stats(&host).await;
    assert_eq!((&seen["stopped"], &seen["noted"], &seen["calls"]), (&json!(3), &json!(1), &json!(5)));
}

#[tokio::test]
async fn calls_are_for_some_requests_and_see_what_others_have_left() {
    let api = Api::saying(json!({ "tier": "gold" })).await;
    let first = tier(api.url("/one"), json!({ "name": "one", "when": { "methods": ["GET"], "paths": ["/shop/**"] } }));
    let second = json!({ "name": "two", "endpoint": api.url("/two/{{header.x-tier ?? none}}"), "when": { "paths": ["/shop/**"] } });
    let host = start(json!({ "calls": [first, second] })).await;
    send(&host, get("/other", &[])).await;
    assert!(api.seen().is_empty());
    send(&host, get("/shop/a", &[])).await;
    let asked: Vec<String> = api.seen().into_iter().map(|seen| seen.uri).collect();
    assert_eq!(asked, ["/one", "/two/gold"]);
}

#[tokio::test]
async fn bodies_that_cannot_be_changed_are_refused_or_let_be() {
    let api = Api::saying(json!({ "tier": "gold" })).await;
    let settings = |then: &str| json!({ "endpoint": api.url("/"), "maxRequestBody": "64kb", "onFailure": then, "fieldMaps": [{ "source": "tier", "destination": "body:tier" }, { "source": "tier", "destination": "header:x-tier" }] });
    let (strict, lax) = (start(settings("fail")).await, start(settings("continue")).await);
    let deep = "[".repeat(10_000);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(70_000));
    for (body, status) in [(deep.as_str(), 400), ("{\"a\":", 400), (long.as_str(), 413)] {
        let came = send(&strict, post(body.to_owned())).await;
        assert_eq!((came.status, came.reached.is_some()), (status, false));
        let came = send(&lax, post(body.to_owned())).await;
        assert_eq!(
            (came.status, came.reached().body.as_ref(), &came.reached().headers["x-tier"]),
            (200, body.as_bytes(), &"gold".parse().unwrap())
        );
    }
    let mut packed = post("packed");
    packed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(send(&strict, packed).await.status, 415);
    let list = send(&strict, post("[1]")).await;
    assert_eq!((list.status, list.code().as_str()), (400, "enrichment_failed"));
    let other = axum::http::Request::builder()
        .method("POST")
        .uri("/")
        .header("content-type", "text/plain")
        .body(Body::from("text"))
        .unwrap();
    assert_eq!(send(&strict, other).await.reached().body, "text");
}

#[tokio::test]
async fn no_header_is_injected_whatever_an_answer_or_a_request_says() {
    let api = Api::saying(json!({ "tier": "a\r\nx-evil: 1" })).await;
    let strict = start(tier(api.url("/"), json!({}))).await;
    let came = send(&strict, get("/", &[])).await;
    assert_eq!((came.status, came.code().as_str()), (502, "enrichment_failed"));
    let lax = start(tier(api.url("/"), json!({ "onFailure": "continue" }))).await;
    let came = send(&lax, get("/", &[("x-tier", "forged")])).await;
    assert!(!came.reached().headers.contains_key("x-evil") && !came.reached().headers.contains_key("x-tier"));
    let asks = start(tier(api.url("/"), json!({ "headers": { "x-q": "{{query.q}}" } }))).await;
    let came = send(&asks, get("/?q=a%0d%0ab:c", &[])).await;
    assert_eq!((came.status, api.seen().len()), (400, 2));
}
