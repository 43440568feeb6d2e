//! Headers, query, path, status, and for which exchanges rules are.

use axum::body::Body;
use http::{HeaderMap, Response};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{answered, get, json_answer, post, send, start, stats};

fn all<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn headers_are_changed_in_their_order() {
    let rules = json!([{ "request": { "headers": {
        "remove": ["x-gone", "x-debug-*"], "rename": { "x-old": "x-new", "x-none": "x-kept" },
        "set": { "x-set": "{{method}} {{query.q ?? none}}", "x-left": "{{header.x-none}}" },
        "add": { "x-there": "no", "x-added": "yes" }, "append": { "x-many": "3" } } } }]);
    let host = start(rules).await;
    let headers = [
        ("x-gone", "1"),
        ("x-gone", "2"),
        ("x-debug-a", "1"),
        ("x-debug-b", "1"),
        ("x-old", "1"),
        ("x-old", "2"),
        ("x-new", "0"),
        ("x-kept", "1"),
        ("x-set", "a"),
        ("x-set", "b"),
        ("x-left", "as it was"),
        ("x-there", "1"),
        ("x-many", "1"),
        ("x-many", "2"),
    ];
    let came = send(&host, get("/?q=a%20b", &headers)).await;
    let headers = &came.asked().headers;
    for (name, expected) in [
        ("x-gone", &[][..]),
        ("x-debug-a", &[]),
        ("x-debug-b", &[]),
        ("x-old", &[]),
        ("x-new", &["1", "2"]),
        ("x-kept", &["1"]),
        ("x-set", &["GET a b"]),
        ("x-left", &["as it was"]),
        ("x-there", &["1"]),
        ("x-added", &["yes"]),
        ("x-many", &["1", "2", "3"]),
    ] {
        assert_eq!(all(headers, name), expected, "{name}");
    }
}

#[tokio::test]
async fn parameters_are_changed_and_the_others_stay_as_they_were_written() {
    for (query, before, after) in [
        (json!({ "remove": ["a", "utm_*"] }), "a=1&b=%7e+x&utm_x=1&a=2&c", "b=%7e+x&c"),
        (json!({ "remove": ["a"] }), "a=1", ""),
        (json!({ "rename": { "a": "b" } }), "a=%41&x=1&b=2&a", "b=%41&x=1&b="),
        (json!({ "set": { "a": "{{header.x-v}}" } }), "x=1&a=1&y=2&%61=3", "x=1&a=a+%26%3D&y=2"),
        (json!({ "set": { "a": "1" } }), "", "a=1"),
        (json!({ "add": { "a": "1", "b": "2" } }), "a=0", "a=0&b=2"),
        (json!({ "append": { "a": "1" } }), "a=0", "a=0&a=1"),
        (json!({ "set": { "a": "{{header.x-none}}" } }), "a=0&%ff", "a=0&%ff"),
    ] {
        let host = start(json!([{ "request": { "query": query } }])).await;
        let came = send(&host, get(&format!("/p?{before}"), &[("x-v", "a &=")])).await;
        assert_eq!(came.asked().uri.query().unwrap_or_default(), after, "{query}");
        assert_eq!(came.asked().uri.path(), "/p");
    }
}

#[tokio::test]
async fn another_path_is_asked_for_and_none_that_a_value_chose() {
    let rule = |pattern: Value, to: &str| {
        let path = match pattern {
            Value::Null => json!({ "to": to }),
            pattern => json!({ "pattern": pattern, "to": to }),
        };
        json!([{ "request": { "path": path } }])
    };
    for (rules, asked, reached) in [
        (rule(json!("^/v1/(?<rest>.*)$"), "/v2/{{capture.rest}}"), "/v1/a%20b/c?q=1", "/v2/a%20b/c?q=1"),
        (rule(json!("^/v1/(.*)$"), "/v2/{{capture.1}}"), "/v3/a", "/v3/a"),
        (rule(Value::Null, "/tenants/{{header.x-v}}{{path}}"), "/a", "/tenants/a%20%26/a"),
        (rule(Value::Null, "{{path}}/more"), "/a", "/a/more"),
        (rule(Value::Null, "/{{header.x-none}}"), "/a", "/a"),
    ] {
        let host = start(rules).await;
        let came = send(&host, get(asked, &[("x-v", "a &")])).await;
        assert_eq!(came.asked().uri.to_string(), reached);
    }
    let host = start(rule(Value::Null, "/files/{{header.x-v}}/x")).await;
    for value in ["..", ".", "a/b", "../../admin", "a\\b", "%2e%2e"] {
        let came = send(&host, get("/a", &[("x-v", value)])).await;
        let reached = came.asked.as_ref().map(|asked| asked.uri.path().to_owned());
        let inside = reached.as_ref().is_none_or(|path| path == "/files/%252e%252e/x");
        assert!(inside, "{value}: {reached:?}");
    }
}

#[tokio::test]
async fn statuses_and_headers_of_responses() {
    let rules = json!([
        { "when": { "statuses": ["404", "500-599"] }, "response": { "status": 200, "headers": { "set": { "x-was": "{{status}}", "x-kind": "{{response.header.content-type}}" } } } },
        { "when": { "contentTypes": ["text/*"] }, "response": { "headers": { "remove": ["server"], "append": { "vary": "x-a" } } } },
    ]);
    let host = start(rules).await;
    let answer = |status: u16, kind: &str| {
        let head =
            Response::builder().status(status).header("content-type", kind).header("server", "x").header("vary", "a");
        head.body(Body::from("body")).unwrap()
    };
    let came = answered(&host, answer(503, "application/json")).await;
    assert_eq!(
        (came.status, &came.headers["x-was"], &came.headers["server"]),
        (200, &"503".parse().unwrap(), &"x".parse().unwrap())
    );
    assert_eq!((came.text(), &came.headers["x-kind"]), ("body", &"application/json".parse().unwrap()));
    let came = answered(&host, answer(418, "text/plain; charset=utf-8")).await;
    assert_eq!((came.status, all(&came.headers, "vary"), came.headers.get("server")), (418, vec!["a", "x-a"], None));
    let seen = stats(&host).await;
    assert_eq!(
        (&seen["responses"], &seen["failed"], &seen["scopes"][0]["rules"]),
        (&json!(2), &json!(0), &json!(["0", "1"]))
    );
}

#[tokio::test]
async fn rules_are_for_some_exchanges_as_the_client_began_them() {
    let rules = json!([
        { "when": { "methods": ["POST"], "paths": ["/orders/**"] }, "request": { "path": { "to": "/other" }, "headers": { "set": { "x-a": "1" } } },
          "response": { "headers": { "set": { "x-b": "{{path}}" } } } },
        { "when": { "contentTypes": ["application/json"] }, "request": { "headers": { "set": { "x-json": "1" } } } },
        { "when": { "consumers": ["*"] }, "request": { "headers": { "set": { "x-known": "1" } } } },
    ]);
    let host = start(rules).await;
    let came = send(&host, post("application/json", "{}")).await;
    let asked = came.asked();
    assert_eq!(
        (asked.uri.path(), asked.headers.contains_key("x-a"), asked.headers.contains_key("x-json")),
        ("/other", true, true)
    );
    assert_eq!((&came.headers["x-b"], asked.headers.contains_key("x-known")), (&"/orders".parse().unwrap(), false));
    let came = send(&host, get("/orders", &[])).await;
    assert!(!came.asked().headers.contains_key("x-a") && !came.headers.contains_key("x-b"));
    assert_eq!(came.asked().uri.path(), "/orders");
}

#[tokio::test]
async fn no_header_is_injected_whatever_a_value_says() {
    let rule = |more: Value| {
        let mut rule =
            json!({ "name": "user", "request": { "headers": { "set": { "x-a": "1", "x-user": "{{query.user}}" } } } });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([rule])
    };
    let (strict, lax) = (start(rule(json!({}))).await, start(rule(json!({ "onFailure": "continue" }))).await);
    for value in ["a%0d%0ax-evil:%201", "a%0ab", "%00", "%7f", &"a".repeat(9000)] {
        let target = format!("/?user={value}");
        let came = send(&strict, get(&target, &[])).await;
        assert_eq!(
            (came.status, came.code().as_str(), came.asked.is_some()),
            (400, "transform_failed", false),
            "{value}"
        );
        assert!(!came.text().contains("evil"));
        let came = send(&lax, get(&target, &[("x-a", "0")])).await;
        assert_eq!(all(&came.asked().headers, "x-a"), ["0"], "what it had changed is undone");
        assert!(!came.asked().headers.contains_key("x-user") && !came.asked().headers.contains_key("x-evil"));
    }
    assert_eq!(stats(&lax).await["skipped"], 5);
}

#[test]
fn an_exchange_without_a_rule_allocates_nothing_for_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let rules = json!([{ "when": { "methods": ["PUT"], "paths": ["/orders/**"] }, "request": { "headers": { "set": { "x-a": "1" } } } }]);
        let (with, without) = (start(rules).await, start(json!([])).await);
        let count = async |host: &buntime_core::Host| {
            let mut counts = Vec::new();
            for _ in 0..3 {
                let request = get("/orders/1", &[]);
                let chain = host.live().chain().clone();
                let handler = std::sync::Arc::new(buntime_core::handler_fn::<buntime_core::Http, _>(|_| {
                    buntime_core::Step::ready(json_answer(Body::empty()).into())
                }));
                let meta = buntime_core::Meta::new(http::HeaderValue::from_static("id"));
                let mut future = Box::pin(chain.respond(meta, request, handler));
                let info = allocation_counter::measure(|| {
                    let waker = std::task::Waker::noop();
                    let polled = future.as_mut().poll(&mut std::task::Context::from_waker(waker));
                    assert!(polled.is_ready());
                });
                counts.push(info.count_total);
            }
            counts.pop().unwrap()
        };
        assert_eq!(count(&with).await, count(&without).await);
    });
}

proptest! {
    #[test]
    fn whatever_a_query_says_the_target_is_one(query in "[a-c=&%+0-9.~]{0,20}", value in "\\PC{0,8}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rules = json!([{ "request": { "query": { "remove": ["b"], "rename": { "c": "d" }, "set": { "a": value }, "append": { "e": value } } } }]);
            let rules = if value.contains("{{") || value.contains("${") { json!([]) } else { rules };
            let host = start(rules.clone()).await;
            let came = send(&host, get(&format!("/p?{query}"), &[])).await;
            if rules != json!([]) {
                let query = came.asked().uri.query().unwrap_or_default().to_owned();
                let pairs: Vec<_> = buntime_content::form::pairs(&query).flatten().collect();
                prop_assert!(pairs.iter().any(|(name, given)| name == "a" && *given == value));
                prop_assert!(pairs.iter().all(|(name, _)| name != "b" && name != "c"));
            }
            Ok(())
        })?;
    }
}
