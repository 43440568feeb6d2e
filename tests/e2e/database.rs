//! Databases as an operator configures and administers them, on real servers, through the real runner and npm's client.

mod client;
mod engines;
mod rest;
mod streams;

use axum::body::Body;
use buntime_database::testing::{LibsqlServer, PostgresServer};
use buntime_tests::{Answer, Gateway, client as http_client};
use serde_json::{Value, json};

/// Long enough.
const TOKEN: &str = "an-admin-token-of-a-test";

/// A runner with these adapters, and these plugins beside plugin-database.
async fn start(adapters: Value, plugins: &[Value]) -> Gateway {
    Gateway::start(config(adapters, plugins)).await
}

fn config(adapters: Value, plugins: &[Value]) -> Value {
    with_settings([("adapters", adapters)].into_iter().collect(), plugins)
}

fn with_settings(settings: Value, plugins: &[Value]) -> Value {
    let mut all = vec![Value::Array(vec!["@buntime/plugin-database".into(), settings])];
    all.extend_from_slice(plugins);
    json!({ "plugins": all })
}

fn postgres(server: &PostgresServer, default: bool) -> Value {
    json!({ "type": "postgres", "url": server.url(), "default": default })
}

fn libsql(server: &LibsqlServer, default: bool) -> Value {
    json!({ "type": "libsql", "urls": [server.url()], "adminUrl": server.admin_url(), "default": default })
}

fn sqlite(default: bool) -> Value {
    json!({ "type": "sqlite", "default": default })
}

/// Sends JSON to the plugin's API.
async fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    gateway.send(http::Method::POST, &format!("/p/database/api{path}"), body).await
}

/// Runs a statement; what it came to.
async fn query(gateway: &Gateway, body: &Value) -> Value {
    let answer = post(gateway, "/query", body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    answer.json()
}

async fn send(gateway: &Gateway, request: http::request::Builder, body: impl Into<Body>) -> Answer {
    http_client::send(gateway.addr(), request.body(body.into()).unwrap()).await
}
