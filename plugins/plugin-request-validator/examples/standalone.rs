//! Orders are checked in a plain axum program:
//! `PORT=8000 cargo run -p plugin-request-validator --example request-validator-standalone`, then
//! `curl -H 'content-type: application/json' -d '{"item":"tea","count":0}' http://127.0.0.1:8000/orders`.

use axum::{Router, routing::post};
use buntime_core::{BoxError, Host};
use plugin_request_validator::RequestValidatorPlugin;
use serde_json::json;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let order = json!({
        "type": "object", "required": ["item", "count"], "additionalProperties": false,
        "properties": { "item": { "type": "string", "minLength": 1 }, "count": { "type": "integer", "minimum": 1 } },
    });
    let settings = json!({ "maxBodySize": "64kb", "rules": [{ "methods": ["POST"], "paths": ["/orders"], "bodyRequired": true, "bodySchema": order }] });
    let host = Host::builder().plugin(RequestValidatorPlugin, settings).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let app = Router::new()
        .route("/orders", post(|order: String| async move { format!("ordered {order}\n") }))
        .layer(host.layer())
        .merge(host.admin_router());

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    host.stop(std::time::Duration::from_secs(5)).await;
    Ok(())
}
