//! A planted secret comes out of no sink: not out of the API, not out of stdout, not out of a live stream.

mod common;

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{body::Body, http::Request};
use common::Fixture;
use futures_util::StreamExt;
use plugin_logs::Format;
use proptest::prelude::*;
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that could have come out.
async fn sinks(secret: &str, name: &str, message: &str, path: &str) -> String {
    let settings = json!({ "query": true, "redact": ["authorization", "cookie", "x-tenant"] });
    let fixture = Fixture::start(settings).await;
    let (lines, pretty) = (Page::default(), Page::default());
    fixture.bus.write_to(Format::Json, lines.clone(), false);
    fixture.bus.write_to(Format::Pretty, pretty.clone(), false);
    let subscriber = tracing_subscriber::registry().with(fixture.bus.layer());
    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!("plugin", plugin = "test");
        span.in_scope(|| tracing::warn!(password = secret, detail = message, "{message}"));
        tracing::info!(headers = ?[(name, secret)], error = %std::io::Error::other(message.to_owned()));
    });
    let body = json!({ "level": "info", "message": message, "source": message, "meta": { name: secret, "deep": [{ "text": message }] } });
    assert_eq!(fixture.post("/p/logs/api", body.to_string()).await.0, 200);
    let request = Request::get(path)
        .header("authorization", format!("Bearer {secret}"))
        .header("cookie", format!("sid={secret}"))
        .header("x-api-key", secret)
        .header("user-agent", format!("agent {}", message.replace('\n', " ")));
    common::text(fixture.send(request.body(Body::empty()).unwrap()).await).await;
    let (_, mut out) = fixture.get("/p/logs/api/logs?limit=1000").await;
    out.push_str(&followed(&fixture).await);
    fixture.bus.flush_blocking(Duration::from_secs(10));
    for page in [lines, pretty] {
        out.push_str(&String::from_utf8_lossy(&page.0.lock().unwrap()));
    }
    assert!(out.contains("deep") && out.contains("GET /"), "{out}");
    out
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "set-cookie",
        "X-API-Key",
        "api_key",
        "apiKey",
        "password",
        "db_password",
        "token",
        "access_token",
        "refreshToken",
        "client_secret",
        "secret",
        "X-Tenant",
        "privateKey",
    ])
}

/// Ways in which a name and a value stand in a text.
fn shapes() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "NAME=SECRET",
        "NAME: SECRET",
        "NAME = SECRET, ok",
        "\"NAME\":\"SECRET\"",
        "{\"NAME\": \"SECRET\", \"a\": 1}",
        "'NAME': 'SECRET'",
        "{\\\"NAME\\\":\\\"SECRET\\\"}",
        "NAME: Some(\"SECRET\")",
        "NAME => SECRET",
        "--NAME SECRET",
        "NAME: Bearer SECRET",
        "(\"NAME\", \"SECRET\")",
        "[NAME=SECRET]",
        "NAME:[\"SECRET\",\"SECRET\"]",
        "at http://user:SECRET@example.com/",
        "https://SECRET@example.com",
        "got Bearer SECRET",
        "a=1&NAME=SECRET&b=2",
        "%22NAME%22%3A%22SECRET%22",
        "NAME\t=\tSECRET",
        "first line\nNAME: SECRET\nlast line",
    ])
}

/// What a live stream has sent once the access line has come.
async fn followed(fixture: &Fixture) -> String {
    let request = Request::get("/p/logs/api/sse?limit=1000").body(Body::empty()).unwrap();
    let mut body = fixture.send(request).await.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains(r#""source":"access""#) {
        let piece = tokio::time::timeout(Duration::from_secs(10), body.next()).await.expect("nothing came");
        text.push_str(std::str::from_utf8(&piece.expect("it ended").unwrap()).unwrap());
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_secret_comes_out(
        name in names(),
        shape in shapes(),
        secret in "[A-Za-z0-9][A-Za-z0-9._~-]{14,40}[A-Za-z0-9]",
        before in "[ a-z]{0,10}",
        after in "[ a-z]{0,10}",
    ) {
        let text = shape.replace("NAME", name).replace("SECRET", &secret);
        let message = format!("{before} {text} {after}");
        let query: String = url::form_urlencoded::byte_serialize(message.as_bytes()).collect();
        let path = format!("/fine?{name}={secret}&q={query}&plain=1");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let out = runtime.block_on(sinks(&secret, name, &message, &path));
        prop_assert!(!out.contains(&secret), "{:?} came out of {message:?}: {out}", secret);
    }
}

#[tokio::test]
async fn paths_have_no_credentials_either() {
    let secret = "s3cr3t-s3cr3t-s3cr3t";
    let path = format!("/fine;token={secret}/http://user:{secret}@host/eyJhbGciOi.{secret}.{secret}");
    let out = sinks(secret, "token", "nothing", &path).await;
    assert!(!out.contains(secret), "{out}");
}
