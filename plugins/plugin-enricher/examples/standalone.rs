//! A plain axum program asks an API of its own who is calling, before its handler runs:
//! `PORT=8000 cargo run -p plugin-enricher --example enricher-standalone`, then
//! `curl -H 'x-user: 7' http://127.0.0.1:8000/` and `curl -H 'x-user: 13' http://127.0.0.1:8000/`.

use axum::{Json, Router, extract::Path, routing::get};
use buntime_core::{BoxError, Host};
use http::HeaderMap;
use plugin_enricher::EnricherPlugin;
use serde_json::json;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let users = Router::new().route(
        "/users/{id}",
        get(|Path(id): Path<u32>| async move {
            Json(json!({ "tier": if id < 10 { "gold" } else { "basic" }, "blocked": id == 13 }))
        }),
    );
    let api = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let settings = json!({
        "endpoint": format!("http://{}/users/{{{{header.x-user ?? 99}}}}", api.local_addr()?), "method": "GET", "cache": { "ttl": "10s" },
        "fieldMaps": [{ "source": "tier", "destination": "header:x-tier" }],
        "conditions": [{ "field": "blocked", "value": true, "message": "You are blocked", "status": 403 }],
    });
    tokio::spawn(async move { axum::serve(api, users).await });
    let host = Host::builder().plugin(EnricherPlugin, settings).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let tier = |headers: HeaderMap| async move { format!("you are {:?}\n", headers.get("x-tier")) };
    let app = Router::new().route("/", get(tier)).layer(host.layer()).merge(host.admin_router());

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    host.stop(std::time::Duration::from_secs(5)).await;
    Ok(())
}
