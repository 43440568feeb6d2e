//! Over real sockets: what is announced is what comes.

use axum::{Router, body::Body, routing::post};
use buntime_testing::TestRuntime;
use http_body_util::BodyExt;
use plugin_transformer::TransformerPlugin;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn lengths_fit_however_a_body_comes() {
    let echo =
        Router::new().route(
            "/orders",
            post(|body: Body| async move {
                ([("content-type", "application/json")], body.collect().await.unwrap().to_bytes())
            }),
        );
    let add = |path: &str| json!({ "body": { "operations": [{ "op": "set", "path": path, "value": "{{method}}" }] } });
    let settings = json!({ "rules": [{ "request": add("/there"), "response": add("/back") }] });
    let runtime = TestRuntime::builder().plugin(TransformerPlugin, settings).fallback(echo).start().await;
    let text = r#"{"a":1}"#;
    let chunked: String =
        text.bytes().map(|byte| format!("1\r\n{}\r\n", char::from(byte))).collect::<String>() + "0\r\n\r\n";
    let expected = r#"{"a":1,"there":"POST","back":"POST"}"#;
    for (head, body) in
        [(format!("content-length: {}", text.len()), text), ("transfer-encoding: chunked".to_owned(), chunked.as_str())]
    {
        let mut stream = TcpStream::connect(runtime.address()).await.unwrap();
        let request = format!(
            "POST /orders HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\nconnection: close\r\n{head}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, expected, "{answer}");
        assert!(head.to_ascii_lowercase().contains(&format!("content-length: {}", expected.len())), "{head}");
    }
    runtime.stop().await;
}
