//! JSON, forms and XML, into each other on the way.

use axum::body::Body;
use http::Response;
use serde_json::json;

use crate::common::{answered, json_answer, post, send, start};

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn requests_are_converted() {
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><order><id>7</id><tag>a</tag><tag>b</tag></order>";
    for (kind, body, settings, made, is) in [
        ("application/json", r#"{"id":7,"tag":["a","b"]}"#, json!({ "format": "form" }), FORM, "id=7&tag=a&tag=b"),
        (
            "application/json",
            r#"{"id":7,"tag":["a","b"]}"#,
            json!({ "format": "xml", "root": "order" }),
            "application/xml; charset=utf-8",
            xml,
        ),
        (FORM, "id=7&tag=a&tag=b", json!({ "format": "json" }), "application/json", r#"{"id":"7","tag":["a","b"]}"#),
        (
            FORM,
            "id=7",
            json!({ "format": "json", "operations": [{ "op": "cast", "path": "/id", "to": "number" }] }),
            "application/json",
            r#"{"id":7}"#,
        ),
        (
            "text/xml",
            xml,
            json!({ "format": "json", "operations": [{ "op": "move", "from": "/order", "path": "" }] }),
            "application/json",
            r#"{"id":"7","tag":["a","b"]}"#,
        ),
        (
            "text/xml",
            xml,
            json!({ "format": "form", "operations": [{ "op": "move", "from": "/order", "path": "" }] }),
            FORM,
            "id=7&tag=a&tag=b",
        ),
    ] {
        let host = start(json!([{ "request": { "body": settings } }])).await;
        let came = send(&host, post(kind, body)).await;
        let asked = came.asked();
        assert_eq!((asked.body.as_ref(), asked.headers["content-type"].to_str().unwrap()), (is.as_bytes(), made));
        assert_eq!(asked.headers["content-length"], is.len().to_string());
    }
}

#[tokio::test]
async fn what_a_format_cannot_say_fails_or_is_let_be() {
    let nested = r#"{"a":{"b":1}}"#;
    let rules = |then: &str| json!([{ "request": { "body": { "format": "form" } }, "onFailure": then }]);
    let came = send(&start(rules("fail")).await, post("application/json", nested)).await;
    assert_eq!((came.status, came.code().as_str()), (400, "transform_failed"));
    assert!(came.text().contains("/a"), "{}", came.text());
    let came = send(&start(rules("continue")).await, post("application/json", nested)).await;
    assert_eq!(
        (came.asked().body.as_ref(), &came.asked().headers["content-type"]),
        (nested.as_bytes(), &"application/json".parse().unwrap())
    );
}

#[tokio::test]
async fn answers_are_converted_and_may_be_called_otherwise() {
    let rules = json!([{ "response": { "headers": { "set": { "content-type": "application/vnd.shop+xml" } }, "body": { "format": "xml", "root": "r" } } }]);
    let came = answered(&start(rules).await, json_answer(r#"{"a":[1,true,null]}"#)).await;
    assert!(came.text().ends_with("<r><a>1</a><a>true</a><a></a></r>"), "{}", came.text());
    assert_eq!(came.headers["content-type"], "application/vnd.shop+xml");
    let rules =
        json!([{ "when": { "statuses": ["5xx"] }, "response": { "body": { "template": { "error": "{{status}}" } } } }]);
    let html = Response::builder()
        .status(500)
        .header("content-type", "text/html")
        .header("content-encoding", "gzip")
        .body(Body::from("<h1>"))
        .unwrap();
    let came = answered(&start(rules).await, html).await;
    assert_eq!(
        (came.status, came.text(), &came.headers["content-type"]),
        (500, r#"{"error":500}"#, &"application/json".parse().unwrap())
    );
    assert!(!came.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn a_way_there_and_back_changes_nothing() {
    let to_xml = json!([{ "request": { "body": { "format": "xml", "root": "r" } } }]);
    let to_json = json!([{ "request": { "body": { "format": "json", "operations": [{ "op": "move", "from": "/r", "path": "" }] } } }]);
    let (there, back) = (start(to_xml).await, start(to_json).await);
    for text in [r#"{"a":"x","b":["1","2"],"c":{"@id":"7","d":"e & <f>"}}"#, r#"{"é":"\r\n\t"}"#] {
        let xml = send(&there, post("application/json", text)).await.asked().body.clone();
        assert_eq!(send(&back, post("application/xml", xml)).await.asked().body, text);
    }
}
