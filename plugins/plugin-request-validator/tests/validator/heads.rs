//! What is checked of heads.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::common::{get, pieces, post, send, start, stats};

#[tokio::test]
async fn limits_have_statuses_of_their_own() {
    let host = start(json!({
        "maxUrlLength": 30, "maxHeaders": 4, "maxHeaderSize": 40, "maxQueryParameters": 3, "maxCookies": 2, "maxBodySize": "10b",
    }))
    .await;
    let long = "v".repeat(40);
    for (request, status, code) in [
        (get("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &[]), 200, ""),
        (get("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &[]), 414, "uri_too_long"),
        (get("/?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &[]), 414, "uri_too_long"),
        (get("/", &[("a", ""), ("b", ""), ("c", ""), ("c", "")]), 200, ""),
        (get("/", &[("a", ""), ("b", ""), ("c", ""), ("c", ""), ("c", "")]), 431, "headers_too_large"),
        (get("/", &[("x-long", &long)]), 431, "headers_too_large"),
        (get("/", &[("cookie", "a=1; b=2;")]), 200, ""),
        (get("/", &[("cookie", "a=1"), ("cookie", "b=2; c=3")]), 431, "headers_too_large"),
        (get("/?a&b&c&", &[]), 200, ""),
        (get("/?a&b&c&d", &[]), 400, "validation_failed"),
        (post("a/b", "1234567890"), 200, ""),
        (post("a/b", "12345678901"), 413, "payload_too_large"),
        (post("a/b", pieces(&[b"12345", b"67890"])), 200, ""),
        (post("a/b", pieces(&[b"12345", b"67890", b"1"])), 413, "payload_too_large"),
    ] {
        let what = format!("{request:?}");
        let answer = send(&host, request).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{what}");
        assert_eq!(answer.reached.is_some(), status == 200, "{what}");
        assert!(!answer.problem.to_string().contains(&long));
    }
    let stats = stats(&host).await;
    // The length of one body was known only while it passed on.
    assert_eq!((&stats["passed"], &stats["refused"]), (&json!(7), &json!(7)), "{stats:#}");
    assert_eq!(stats["scopes"][0]["refusedByStatus"]["431"], 3);
}

#[tokio::test]
async fn headers_and_queries_are_checked_by_method_and_path() {
    let host = start(json!({ "rules": [{
        "methods": ["GET"], "paths": ["/search/**"], "requiredHeaders": ["x-tenant", "x-key"], "requiredQuery": ["q"],
        "allowedQuery": ["q", "page", "tag"],
        "querySchema": { "properties": {
            "page": { "type": "integer", "minimum": 1 }, "tag": { "type": "array", "maxItems": 2 }, "q": { "type": "string", "maxLength": 5 },
        } },
    }] }))
    .await;
    let tenant = &[("x-tenant", "t"), ("x-key", "k")];
    for (request, places) in [
        (get("/search/x?q=a&page=2&tag=a&tag=b", tenant), &[][..]),
        (get("/other", &[]), &[]),
        (get("/search/x", &[("x-tenant", "t"), ("x-key", " ")]), &["header x-key", "query q"]),
        (get("/search/x?q=a&page=0&tag=a&tag=b&tag=c&x=1", tenant), &["query x", "query page", "query tag"]),
        (get("/search/x?q=a&q=b", tenant), &["query q"]),
        (get("/search/x?q=a&page=one", tenant), &["query page"]),
        (get("/search/x?q=hunter2", tenant), &["query q"]),
        (get("/search/x?q=%ff", tenant), &["query "]),
    ] {
        let what = format!("{request:?}");
        let answer = send(&host, request).await;
        assert_eq!(
            (answer.status, answer.places()),
            (if places.is_empty() { 200 } else { 400 }, places.iter().map(ToString::to_string).collect()),
            "{what}: {}",
            answer.problem
        );
        assert!(!answer.problem.to_string().contains("hunter2"), "{}", answer.problem);
    }
    let mut other = get("/search/x", &[]);
    *other.method_mut() = http::Method::DELETE;
    assert_eq!(send(&host, other).await.status, 200);
}

#[tokio::test]
async fn content_types_are_checked_by_method_where_there_is_a_body() {
    let host = start(json!({ "rules": [
        { "methods": ["POST"], "contentTypes": ["application/json", "text/*"] },
        { "methods": ["PUT"], "contentTypes": ["*+json"] },
    ] }))
    .await;
    let ask = |method: &str, kinds: &[&str], body: &'static str| {
        let request = Request::builder().method(method).uri("/");
        let request = kinds.iter().fold(request, |request, kind| request.header("content-type", *kind));
        send(&host, request.body(Body::from(body)).unwrap())
    };
    for (method, kinds, body, status) in [
        ("POST", &["application/json; charset=utf-8"][..], "{}", 200),
        ("POST", &["TEXT/csv"], "a", 200),
        ("POST", &["application/xml"], "<a/>", 415),
        ("POST", &[], "a", 415),
        ("POST", &[""], "a", 415),
        ("POST", &["text/plain", "application/xml"], "a", 415),
        ("POST", &["application/xml"], "", 200),
        ("PUT", &["application/merge-patch+json"], "{}", 200),
        ("PUT", &["application/json"], "{}", 415),
        ("PATCH", &["a/b"], "{}", 200),
    ] {
        let answer = ask(method, kinds, body).await;
        assert_eq!(answer.status, status, "{method} {kinds:?}: {}", answer.problem);
    }
}

#[tokio::test]
async fn to_observe_is_to_count_and_let_through() {
    let host = start(json!({ "mode": "observe", "maxUrlLength": 5, "maxBodySize": "5b", "rules": [
        { "bodySchema": { "type": "object" }, "requiredHeaders": ["x"] },
    ] }))
    .await;
    assert_eq!(send(&host, get("/long/path", &[])).await.status, 200);
    assert_eq!(send(&host, get("/", &[])).await.status, 200);
    for body in ["[]", "123456789"] {
        let mut whole = post("application/json", body);
        *whole.uri_mut() = http::Uri::from_static("/");
        let mut split = post("application/json", pieces(&[&body.as_bytes()[..1], &body.as_bytes()[1..]]));
        *split.uri_mut() = http::Uri::from_static("/");
        for request in [whole, split] {
            let answer = send(&host, request).await;
            assert_eq!((answer.status, answer.reached.as_deref()), (200, Some(body.as_bytes())));
        }
    }
    let stats = stats(&host).await;
    assert_eq!((&stats["observed"], &stats["refused"], &stats["passed"]), (&json!(6), &json!(0), &json!(0)), "{stats}");
}

#[test]
fn a_head_that_is_fine_costs_no_allocation() {
    // What the plugin adds to a chain without it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let with = start(json!({ "maxUrlLength": 100, "maxHeaders": 10, "maxHeaderSize": 100, "maxCookies": 5, "maxQueryParameters": 5,
            "rules": [{ "requiredHeaders": ["x"], "methods": ["GET"], "paths": ["/a/**"] }] })).await;
        let without = start(json!({})).await;
        let mut counts = Vec::new();
        for host in [&without, &with, &without, &with] {
            let request = get("/a/b?c=d", &[("x", "y"), ("cookie", "a=b")]);
            let before = allocation_counter::measure(|| ());
            let chain = host.live().chain().clone();
            let meta = buntime_core::Meta::new(http::HeaderValue::from_static("id"));
            let handler = buntime_core::handler_fn::<buntime_core::Http, _>(|_| {
                buntime_core::Step::ready(http::Response::new(Body::empty()).into())
            });
            let future = chain.respond(meta, request, std::sync::Arc::new(handler));
            let used = allocation_counter::measure(|| {
                let answered = futures_util::FutureExt::now_or_never(future).unwrap();
                assert_eq!(answered.status(), 200);
            });
            counts.push(used.count_total - before.count_total);
        }
        // The executor may keep a little for a chain with a set in it; the plugin itself keeps nothing.
        assert!(counts[3] <= counts[2] + 2, "{counts:?}");
    });
}
