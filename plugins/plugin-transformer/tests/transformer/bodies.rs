//! Bodies: changed by pointers and templates, or left alone.

use axum::body::Body;
use buntime_core::Host;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::common::{answered, exchange, json_answer, pieces, post, send, start, with};

async fn operations(list: Value) -> Host {
    start(json!([{ "request": { "body": { "operations": list } } }])).await
}

#[tokio::test]
async fn operations_change_documents() {
    let document = r#"{"a":{"b":1,"c":"x"},"list":[1,{"s":"secret"}],"n":"42","ok":"true"}"#;
    for (list, expected) in [
        (
            json!([{ "op": "set", "path": "/a/d", "value": { "m": "{{method}}", "n": "{{body/a/b}}", "t": "n={{body/a/b}}" } }]),
            r#"{"a":{"b":1,"c":"x","d":{"m":"POST","n":1,"t":"n=1"}},"list":[1,{"s":"secret"}],"n":"42","ok":"true"}"#,
        ),
        (
            json!([{ "op": "remove", "path": "/a/b" }, { "op": "remove", "path": "/list/1/s" }, { "op": "remove", "path": "/none/x" }]),
            r#"{"a":{"c":"x"},"list":[1,{}],"n":"42","ok":"true"}"#,
        ),
        (
            json!([{ "op": "move", "from": "/a/c", "path": "/deep/er" }, { "op": "copy", "from": "/list/0", "path": "/list/-" }]),
            r#"{"a":{"b":1},"list":[1,{"s":"secret"},1],"n":"42","ok":"true","deep":{"er":"x"}}"#,
        ),
        (
            json!([{ "op": "rename", "path": "/a", "to": "z" }, { "op": "cast", "path": "/n", "to": "number" },
                { "op": "cast", "path": "/ok", "to": "boolean" }, { "op": "cast", "path": "/z/b", "to": "list" }]),
            r#"{"z":{"b":[1],"c":"x"},"list":[1,{"s":"secret"}],"n":42,"ok":true}"#,
        ),
        (json!([{ "op": "move", "from": "/a", "path": "" }]), r#"{"b":1,"c":"x"}"#),
    ] {
        let host = operations(list.clone()).await;
        let came = send(&host, post("application/vnd.x+json", document)).await;
        let asked = came.asked();
        assert_eq!(asked.body, expected, "{list}");
        assert_eq!(asked.headers["content-length"], expected.len().to_string());
        assert_eq!(asked.headers["content-type"], "application/vnd.x+json");
    }
}

#[tokio::test]
async fn what_changes_nothing_leaves_every_byte() {
    let text = b"  {\"a\" : 1.0e0,\t\"b\":\"\\u0061\" }\r\n ";
    let host = operations(
        json!([{ "op": "remove", "path": "/none" }, { "op": "set", "path": "/a", "value": "{{header.x-none}}" }]),
    )
    .await;
    for at in 0..text.len() {
        let came = send(&host, post("application/json", pieces(&[&text[..at], &text[at..]]))).await;
        assert_eq!(came.asked().body, &text[..]);
    }
}

#[tokio::test]
async fn templates_make_whole_bodies_and_values_of_heads() {
    let rules = json!([{ "request": {
        "headers": { "set": { "x-id": "{{body/id}}" } }, "query": { "set": { "id": "{{body/id}}" } }, "path": { "to": "/orders/{{body/id}}" },
        "body": { "template": { "id": "{{body/id}}", "who": "{{consumer ?? nobody}}", "request": { "id": "{{request_id}}", "none": "{{body/none}}" } } } } }]);
    let host = start(rules).await;
    let came = send(&host, post("application/json", r#"{"id":7,"drop":true}"#)).await;
    let asked = came.asked();
    assert_eq!(asked.body, r#"{"id":7,"who":"nobody","request":{"id":"id"}}"#);
    assert_eq!((asked.uri.to_string().as_str(), &asked.headers["x-id"]), ("/orders/7?id=7", &"7".parse().unwrap()));
}

#[tokio::test]
async fn answers_are_changed_and_their_headers_fit() {
    let rules = json!([{ "response": { "body": { "operations": [{ "op": "remove", "path": "/salary" }] } } }]);
    let host = start(rules).await;
    let answer = || {
        let head = Response::builder().header("content-type", "application/json").header("content-length", "31");
        head.header("etag", "\"abc\"")
            .header("content-md5", "x")
            .header("repr-digest", "x")
            .header("accept-ranges", "bytes")
    };
    let request = || {
        Request::builder()
            .uri("/")
            .header("accept-encoding", "gzip")
            .header("range", "bytes=0-1")
            .header("if-range", "x")
    };
    let came = exchange(
        &host,
        request().body(Body::empty()).unwrap(),
        answer().body(Body::from(r#"{"name":"a","salary":1000000.0}"#)).unwrap(),
    )
    .await;
    assert_eq!(
        (came.text(), &came.headers["content-length"], &came.headers["etag"]),
        (r#"{"name":"a"}"#, &"12".parse().unwrap(), &"W/\"abc\"".parse().unwrap())
    );
    for gone in ["content-md5", "repr-digest", "accept-ranges"] {
        assert!(!came.headers.contains_key(gone), "{gone}");
    }
    for gone in ["accept-encoding", "range", "if-range"] {
        assert!(!came.asked().headers.contains_key(gone), "{gone}");
    }
    let untouched = answered(&host, answer().body(Body::from(r#"{"name":"a","other":1000000.00}"#)).unwrap()).await;
    assert_eq!(
        (untouched.text(), &untouched.headers["etag"]),
        (r#"{"name":"a","other":1000000.00}"#, &"\"abc\"".parse().unwrap())
    );

    let head =
        exchange(&host, request().method("HEAD").body(Body::empty()).unwrap(), answer().body(Body::empty()).unwrap())
            .await;
    assert_eq!((head.headers.get("content-length"), &head.headers["etag"]), (None, &"W/\"abc\"".parse().unwrap()));
    let part = answered(&host, answer().status(206).body(Body::from("{\"na")).unwrap()).await;
    assert_eq!((part.status, part.code().as_str()), (502, "transform_failed"));
}

#[tokio::test]
async fn what_nobody_looks_into_streams_through() {
    let rules = json!([{ "request": { "headers": { "set": { "x-a": "1" } }, "body": { "operations": [{ "op": "remove", "path": "/a" }] } },
        "response": { "body": { "operations": [{ "op": "remove", "path": "/a" }] } } }]);
    let host = start(rules).await;
    let came = send(&host, post("text/plain", vec![b'x'; 3 << 20])).await;
    assert_eq!((came.status, came.asked().body.len(), came.asked().headers.contains_key("x-a")), (200, 3 << 20, true));
    let events = Response::builder()
        .header("content-type", "text/event-stream")
        .body(pieces(&[b"data: {\"a\":1}\n\n", b"data: 2\n\n"]))
        .unwrap();
    assert_eq!(answered(&host, events).await.text(), "data: {\"a\":1}\n\ndata: 2\n\n");
    // One that never ends is not waited for.
    let endless = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let chain = host.live().chain().clone();
    let answer = std::sync::Mutex::new(Some(
        Response::builder().header("content-type", "text/event-stream").body(endless).unwrap(),
    ));
    let handler = buntime_core::handler_fn::<buntime_core::Http, _>(move |_| {
        buntime_core::Step::ready(answer.lock().unwrap().take().unwrap().into())
    });
    let meta = buntime_core::Meta::new(http::HeaderValue::from_static("id"));
    let response = chain.respond(meta, crate::common::get("/", &[]), std::sync::Arc::new(handler)).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_or_let_be() {
    let rules = |then: &str| json!([{ "request": { "headers": { "set": { "x-a": "1" } }, "body": { "operations": [{ "op": "remove", "path": "/a" }] } }, "onFailure": then }]);
    let (strict, lax) = (start(rules("fail")).await, start(rules("continue")).await);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_objects = "{\"a\":".repeat(10_000);
    let deep_xml = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>";
    for (kind, body, says) in [
        ("application/json", &b"{\"a\":\"hunter2\""[..], "EOF"),
        ("application/json", b"{\"a\":\"\xff\"}", "unicode"),
        ("application/json", deep.as_bytes(), "nested too deep"),
        ("application/json", deep_objects.as_bytes(), "nested too deep"),
        ("application/json", b"{\"a\":1,\"a\":2}", "same name twice"),
        ("application/json; charset=utf-16", b"{}", "only UTF-8"),
        ("application/xml", deep_xml.as_bytes(), "nested too deep"),
        ("application/xml", laughs.as_bytes(), "document type"),
        ("application/xml", b"<a>\xff</a>", "not UTF-8"),
        ("application/x-www-form-urlencoded", b"a=%ff", "not UTF-8"),
    ] {
        let came = send(&strict, post(kind, body.to_vec())).await;
        assert_eq!(
            (came.status, came.code().as_str(), came.asked.is_some()),
            (400, "transform_failed", false),
            "{kind}"
        );
        assert!(came.text().contains(says) && !came.text().contains("hunter2"), "{}", came.text());
        let came = send(&lax, post(kind, body.to_vec())).await;
        assert_eq!((came.status, &came.asked().body[..]), (200, body));
        assert!(!came.asked().headers.contains_key("x-a"), "a rule is applied as a whole or not at all");
    }
}

#[tokio::test]
async fn packed_and_large_bodies_are_refused_or_let_be() {
    let settings = |large: &str, encoded: &str| {
        let body = json!({ "operations": [{ "op": "remove", "path": "/a" }] });
        json!({ "maxBodySize": "1kb", "rules": [{ "request": { "body": body }, "response": { "body": body }, "onTooLarge": large, "onEncoded": encoded }] })
    };
    let (strict, lax) = (with(settings("fail", "fail")).await, with(settings("continue", "continue")).await);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2000));
    let endless = || {
        Body::from_stream(futures_util::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 512]))
        }))
    };
    let packed = || {
        let mut request = post("application/json", "packed");
        request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        request
    };
    assert_eq!(send(&strict, post("application/json", long.clone())).await.status, 413);
    assert_eq!(send(&strict, post("application/json", endless())).await.status, 413);
    let came = send(&strict, packed()).await;
    assert_eq!((came.status, &came.headers["accept-encoding"]), (415, &"identity".parse().unwrap()));
    assert_eq!(answered(&strict, json_answer(long.clone())).await.status, 502);
    assert_eq!(answered(&strict, json_answer(endless())).await.status, 502);

    assert_eq!(send(&lax, post("application/json", long.clone())).await.asked().body, long);
    assert_eq!(
        send(&lax, post("application/json", pieces(&[&long.as_bytes()[..1500], &long.as_bytes()[1500..]])))
            .await
            .asked()
            .body,
        long
    );
    assert_eq!(send(&lax, packed()).await.asked().body, "packed");
    assert_eq!(answered(&lax, json_answer(long.clone())).await.text(), long);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let body = json!({ "operations": [{ "op": "remove", "path": "/a" }] });
    let host = with(
        json!({ "bodyTimeout": "50ms", "rules": [{ "request": { "body": body }, "response": { "body": body } }] }),
    )
    .await;
    let never = || Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    assert_eq!(send(&host, post("application/json", never())).await.code(), "request_timeout");
    assert_eq!(answered(&host, json_answer(never())).await.code(), "upstream_timeout");
    let broken = || {
        Body::from_stream(futures_util::stream::iter([
            Ok(Bytes::from_static(b"{")),
            Err(std::io::Error::other("gone")),
        ]))
    };
    assert_eq!(send(&host, post("application/json", broken())).await.code(), "client_closed");
    assert_eq!(answered(&host, json_answer(broken())).await.code(), "upstream_protocol_error");
}
