//! What is checked of bodies, and that they reach the handler byte for byte.

use axum::{Router, body::Body, body::Bytes, routing::post as route};
use buntime_testing::TestRuntime;
use http_body_util::BodyExt;
use plugin_request_validator::RequestValidatorPlugin;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::common::{get, pieces, post, send, start};

fn orders(more: &Value) -> Value {
    let mut rule = json!({
        "name": "orders", "methods": ["POST"], "bodyRequired": true,
        "bodySchema": {
            "type": "object", "required": ["item", "count"], "additionalProperties": false,
            "properties": {
                "item": { "type": "string", "pattern": "^[a-z]+$" }, "count": { "type": "integer", "minimum": 1 }, "password": { "type": "string", "minLength": 12 },
                "lines": { "type": "array", "items": { "$ref": "#/$defs/line" } },
            },
            "$defs": { "line": { "type": "object", "required": ["sku"] } },
        },
    });
    for (key, value) in more.as_object().unwrap() {
        rule[key] = value.clone();
    }
    json!({ "rules": [rule] })
}

#[tokio::test]
async fn a_body_that_is_fine_reaches_the_handler_byte_for_byte() {
    let host = start(orders(&json!({}))).await;
    let text = b"  {\"count\" : 1.0e0,\t\"item\":\"\\u0061bc\" , \"lines\": [ ] }\r\n ";
    assert_eq!(send(&host, post("application/json", &text[..])).await.reached.as_deref(), Some(&text[..]));
    for at in 0..text.len() {
        let split = post("application/vnd.orders+json; charset=utf-8", pieces(&[&text[..at], &text[at..]]));
        let answer = send(&host, split).await;
        assert_eq!((answer.status, answer.reached.as_deref()), (200, Some(&text[..])), "{}", answer.problem);
    }
}

#[tokio::test]
async fn several_things_are_told_at_once_with_their_places_and_without_values() {
    let host = start(orders(&json!({ "requiredHeaders": ["x-tenant"], "requiredQuery": ["dry"] }))).await;
    let body = json!({ "item": "TEA", "count": 0, "password": "hunter2", "lines": [{ "sku": 1 }, {}, { "x": 1 }], "extra": true });
    let answer = send(&host, post("application/json", body.to_string())).await;
    assert_eq!((answer.status, answer.code()), (400, "validation_failed"));
    let mut places = answer.places();
    places.sort();
    assert_eq!(
        places,
        [
            "body ",
            "body /count",
            "body /item",
            "body /lines/1",
            "body /lines/2",
            "body /password",
            "header x-tenant",
            "query dry"
        ]
    );
    let told = answer.problem.to_string();
    assert!(!told.contains("hunter2") && !told.contains("TEA") && answer.reached.is_none(), "{told}");

    let bounded = start({
        let mut settings = orders(&json!({ "requiredHeaders": ["x-tenant"] }));
        settings["maxErrors"] = json!(3);
        settings
    })
    .await;
    assert_eq!(send(&bounded, post("application/json", body.to_string())).await.places().len(), 3);
}

#[tokio::test]
async fn what_is_no_json_is_refused_cleanly() {
    let host = start(orders(&json!({}))).await;
    let deep = format!("{{\"lines\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let deeper = "{\"a\":".repeat(10_000);
    for (body, says) in [
        (&b"{\"item\":\"hunter2\""[..], "EOF"),
        (b"{\"item\":\"\xff\"}", "unicode"),
        (b"\xfe\xff\x00{\x00}", "expected value"),
        (b"{\"count\":1,\"count\":2}", "same name twice"),
        (deep.as_bytes(), "nested too deep"),
        (deeper.as_bytes(), "nested too deep"),
        (b"{} garbage", "trailing"),
        (b"\x1f\x8b\x08\x00", "expected value"),
    ] {
        let answer = send(&host, post("application/json", body.to_vec())).await;
        assert_eq!(
            (answer.status, answer.code(), answer.places()),
            (400, "validation_failed", vec!["body ".to_owned()])
        );
        let told = answer.problem.to_string();
        assert!(told.contains(says) && !told.contains("hunter2") && answer.reached.is_none(), "{told}");
    }
}

#[tokio::test]
async fn what_cannot_be_judged_is_not_taken() {
    let host = start(orders(&json!({}))).await;
    let mut packed = post("application/json", "{}");
    packed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    let answer = send(&host, packed).await;
    assert_eq!((answer.status, &answer.headers["accept-encoding"]), (415, &http::HeaderValue::from_static("identity")));
    assert_eq!(send(&host, post("text/plain", "{}")).await.status, 415);
    assert_eq!(send(&host, post("application/json", Body::empty())).await.places(), ["body "]);
    assert_eq!(send(&host, get("/orders", &[])).await.status, 200);

    let forms =
        start(orders(&json!({ "contentTypes": ["application/json", "application/x-www-form-urlencoded"] }))).await;
    assert_eq!(
        send(&forms, post("application/x-www-form-urlencoded", "a=1")).await.reached.as_deref(),
        Some(&b"a=1"[..])
    );
    assert_eq!(send(&forms, post("application/json", "{}")).await.status, 400);
}

#[tokio::test]
async fn no_more_is_kept_than_the_limit() {
    let host = start(orders(&json!({ "maxBodySize": "1kb" }))).await;
    let long = vec![b' '; 1025];
    assert_eq!(send(&host, post("application/json", long.clone())).await.code(), "payload_too_large");
    let endless = Body::from_stream(futures_util::stream::repeat_with(|| {
        Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 512]))
    }));
    assert_eq!(send(&host, post("application/json", endless)).await.code(), "payload_too_large");
    let default = start(orders(&json!({}))).await;
    assert_eq!(send(&default, post("application/json", vec![b' '; (1 << 20) + 1])).await.status, 413);
    let large = format!("{{\"item\":\"tea\",\"count\":1{}}}", " ".repeat(500_000));
    assert_eq!(send(&default, post("application/json", large)).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let mut settings = orders(&json!({}));
    settings["bodyTimeout"] = json!("50ms");
    let host = start(settings).await;
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = send(&host, post("application/json", never)).await;
    assert_eq!((answer.status, answer.code()), (408, "request_timeout"));
    let broken = Body::from_stream(futures_util::stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::other("gone")),
    ]));
    assert_eq!(send(&host, post("application/json", broken)).await.code(), "client_closed");
}

#[tokio::test]
async fn over_real_sockets() {
    let echo =
        Router::new().route("/orders", route(|body: Body| async move { body.collect().await.unwrap().to_bytes() }));
    let runtime =
        TestRuntime::builder().plugin(RequestValidatorPlugin, orders(&json!({}))).fallback(echo).start().await;
    let text = r#"{ "count":1,"item":"tea" }"#;
    let chunked: String =
        text.bytes().map(|byte| format!("1\r\n{}\r\n", char::from(byte))).collect::<String>() + "0\r\n\r\n";
    for (head, body, ends) in [
        (format!("content-length: {}", text.len()), text, text),
        ("transfer-encoding: chunked".to_owned(), chunked.as_str(), text),
        ("content-length: 2".to_owned(), "{}", "\"request_id\":\"test\""),
    ] {
        let mut stream = TcpStream::connect(runtime.address()).await.unwrap();
        let request = format!(
            "POST /orders HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\nconnection: close\r\n{head}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(ends), "{answer}");
    }
    runtime.stop().await;
}
