//! What errors look like, and what stays of them.

use buntime_core::{ErrorKind, Stage};
use buntime_testing::{Act, FakePlugin, Journal};
use serde_json::{Value, json};

use crate::support::{Scripted, ask, gateway, nobody};

const BROWSER: &str = "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn documents() -> Value {
    let page = "<h1>{{status}} {{title}}</h1><p>{{detail}} ({{code}}, {{request_id}})";
    json!({ "documents": [
        { "when": { "status": ["5xx", 404], "answers": true, "paths": ["/shop/**"] }, "accept": "text/html", "body": "shop" },
        { "when": { "status": ["4xx", "5xx"] }, "accept": "text/html", "body": page },
        { "when": { "status": [503] }, "accept": "application/json", "body": "{\"wrong\":\"{{detail}}\"}" }
    ] })
}

async fn refused(kind: ErrorKind, headers: &[&str], method: &str) -> crate::support::Answer {
    let journal = Journal::default();
    let refusing = FakePlugin::new("refusing", &journal).at(10).on(Stage::Pre, Act::Refuse(kind));
    let nobody = nobody().await;
    let builder = gateway(&nobody, &nobody, documents()).plugin(refusing, json!({}));
    let outside = FakePlugin::new("outside", &journal).at(0);
    let runtime = builder.plugin(outside, json!({})).start().await;
    let answer = ask(&runtime, &format!("{method} /a"), headers, "").await;
    runtime.stop().await;
    answer
}

#[tokio::test]
async fn browsers_get_the_page_and_programs_the_problem() {
    let page = refused(ErrorKind::Forbidden, &[BROWSER], "GET").await;
    assert_eq!(page.status, 403);
    assert_eq!(page.body, "<h1>403 Not allowed</h1><p>Not allowed (forbidden, test)");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!((page.header("vary"), page.header("x-request-id")), (Some("accept"), Some("test")));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    for accept in [&["accept: */*"][..], &["accept: application/json"], &["accept: text/html;q=0.5, */*"], &[]] {
        let problem = refused(ErrorKind::Forbidden, accept, "GET").await;
        assert_eq!((problem.status, problem.header("content-type")), (403, Some("application/problem+json")));
        assert_eq!(problem.json()["code"], "forbidden");
    }
}

#[tokio::test]
async fn a_document_of_json_stands_for_the_default() {
    for accept in ["accept: application/json", "accept: */*"] {
        let answer = refused(ErrorKind::OverCapacity, &[accept], "GET").await;
        assert_eq!((answer.status, answer.json()), (503, json!({ "wrong": "Over capacity" })));
    }
    let page = refused(ErrorKind::OverCapacity, &["accept: text/html"], "GET").await;
    assert!(page.body.starts_with("<h1>503"), "{page:?}");
    let neither = refused(ErrorKind::OverCapacity, &["accept: image/png"], "GET").await;
    assert_eq!(neither.header("content-type"), Some("application/problem+json"));
}

#[tokio::test]
async fn what_the_error_says_in_headers_stays() {
    let page = refused(ErrorKind::OverCapacity, &[BROWSER], "GET").await;
    assert_eq!((page.status, page.header("retry-after")), (503, Some("1")));
    let page = refused(ErrorKind::Unauthorized, &[BROWSER], "GET").await;
    assert_eq!((page.status, page.header("www-authenticate")), (401, Some("bearer")));
    let head = refused(ErrorKind::Unauthorized, &[BROWSER], "HEAD").await;
    assert_eq!((head.status, head.body.as_str()), (401, ""));
    assert_eq!(head.header("content-length").map(str::to_owned), Some(page.body.len().to_string()));
}

#[tokio::test]
async fn an_upstreams_own_page_is_replaced_only_where_a_document_says_so() {
    let main = Scripted::start(&["404 their page"]).await;
    let runtime = gateway(&main.upstream.url(), &nobody().await, documents()).start().await;
    let ours = ask(&runtime, "GET /shop/x", &[BROWSER], "").await;
    assert_eq!((ours.status, ours.body.as_str(), ours.header("x-upstream")), (404, "shop", Some("yes")));
    assert_eq!((ours.header("etag"), ours.header("content-length")), (None, Some("4")));
    assert_eq!(ask(&runtime, "GET /shop/x", &[], "").await.body, "their page");
    assert_eq!(ask(&runtime, "GET /other", &[BROWSER], "").await.body, "their page");
    runtime.stop().await;
}

#[tokio::test]
async fn a_document_dresses_what_no_rule_mended() {
    let mut settings = documents();
    settings["rules"] = json!([{ "retry": { "attempts": 1, "backoff": "1ms" } }]);
    let nobody = nobody().await;
    let runtime = gateway(&nobody, &nobody, settings).start().await;
    let page = ask(&runtime, "GET /a", &[BROWSER], "").await;
    assert_eq!(page.status, 502);
    assert!(page.body.contains("upstream_unreachable"), "{page:?}");
    runtime.stop().await;
}
