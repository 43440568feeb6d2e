//! Consumers are recognised by their keys, and nobody else is.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use buntime_core::{
    Catalog, ConsumerMatch, ConsumerScope, Cx, Entry, Error, Host, Http, HttpResponse, Meta, Program, Scopes, Step,
    handler_fn,
};
use http::{HeaderValue, Request, Response};
use plugin_consumer_keys::{ConsumerKeysPlugin, digest};
use serde_json::json;

fn consumer(name: &str, key: &str) -> ConsumerScope {
    let matches = vec![ConsumerMatch::Key(digest(key.as_bytes()))];
    ConsumerScope { name: name.into(), groups: Vec::new(), matches, entries: Vec::new() }
}

async fn start(settings: serde_json::Value, consumers: Vec<ConsumerScope>) -> Host {
    let mut catalog = Catalog::new();
    catalog.add_builtin(ConsumerKeysPlugin).unwrap();
    let program = Program {
        entries: vec![Entry::new("consumer-keys", settings)],
        scopes: Scopes { consumers, ..Scopes::default() },
        ..Program::default()
    };
    Host::builder().catalog(catalog).program(program).start().await.unwrap()
}

/// The consumer, and the names of the credentials that reach the handler.
async fn seen(host: &Host, headers: &[(&'static str, &'static str)]) -> String {
    let handler = handler_fn(|cx: &mut Cx<Http>| -> Step<'_, HttpResponse, Error> {
        let mut text = cx.consumer().map_or("nobody", |name| name).to_owned();
        assert_eq!(cx.identity().map(|identity| &*identity.subject), cx.consumer().map(|name| &**name));
        for name in ["x-api-key", "authorization"] {
            if cx.request().headers.contains_key(name) {
                text = format!("{text} {name}");
            }
        }
        Step::ready(Response::new(Body::from(text)).into())
    });
    let mut request = Request::builder().uri("/").header("host", "example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let chain = host.live().chain().clone();
    let meta = Meta::new(HeaderValue::from_static("id"));
    let response = chain.respond(meta, request.body(Body::empty()).unwrap(), Arc::new(handler)).await;
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_key_names_its_consumer_and_goes_no_further() {
    let host = start(json!({}), vec![consumer("acme", "key-a"), consumer("other", "key-b")]).await;
    assert_eq!(seen(&host, &[("x-api-key", "key-a")]).await, "acme");
    assert_eq!(seen(&host, &[("authorization", "Bearer key-b")]).await, "other");
    assert_eq!(seen(&host, &[("x-api-key", "unknown"), ("authorization", "bearer key-a")]).await, "acme x-api-key");
    let both = [("x-api-key", "key-a"), ("authorization", "bearer key-b")];
    assert_eq!(seen(&host, &both).await, "acme", "nobody's key goes further");
    assert_eq!(seen(&host, &[("x-api-key", "key-")]).await, "nobody x-api-key");
    assert_eq!(seen(&host, &[("authorization", "Basic key-a")]).await, "nobody authorization");
    assert_eq!(seen(&host, &[]).await, "nobody");
    host.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_reload_changes_whose_key_it_is_without_a_restart() {
    let host = start(json!({ "forwardKey": true }), vec![consumer("acme", "key-a")]).await;
    assert_eq!(seen(&host, &[("x-api-key", "key-a")]).await, "acme x-api-key");
    let mut program = host.program().await;
    program.scopes.consumers = vec![consumer("renamed", "key-a")];
    let changed = host.apply(program).await.unwrap();
    assert!(changed.started.is_empty());
    assert_eq!(seen(&host, &[("x-api-key", "key-a")]).await, "renamed x-api-key");
    host.stop(Duration::from_secs(1)).await;
}
