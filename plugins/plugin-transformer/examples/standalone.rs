//! Orders are translated in a plain axum program: clients send and get XML, the handler knows JSON alone.
//! `PORT=8000 cargo run -p plugin-transformer --example transformer-standalone`, then
//! `curl -H 'content-type: application/xml' -d '<order><item>tea</item></order>' http://127.0.0.1:8000/orders`.

use axum::{Json, Router, routing::post};
use buntime_core::{BoxError, Host};
use plugin_transformer::TransformerPlugin;
use serde_json::{Value, json};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let settings = json!({ "rules": [{
        "when": { "paths": ["/orders"] },
        "request": { "body": { "format": "json", "operations": [{ "op": "move", "from": "/order", "path": "" }] } },
        "response": { "body": { "format": "xml", "root": "receipt" }, "headers": { "set": { "x-order": "{{request_id}}" } } },
    }] });
    let host = Host::builder().plugin(TransformerPlugin, settings).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let app = Router::new()
        .route("/orders", post(|Json(order): Json<Value>| async move { Json(json!({ "ordered": order })) }))
        .layer(host.layer())
        .merge(host.admin_router());

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    host.stop(std::time::Duration::from_secs(5)).await;
    Ok(())
}
