//! Fallbacks in a plain axum program: `PORT=8000 cargo run -p plugin-fallback --example fallback-standalone`.

use axum::{Router, routing::get};
use buntime_core::{BoxError, Host};
use http::StatusCode;
use plugin_fallback::FallbackPlugin;
use serde_json::json;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let settings = json!({
        "rules": [{ "when": { "status": [503], "answers": true }, "retry": { "attempts": 2 }, "response": { "body": "later\n" } }],
        "documents": [{ "when": { "status": [404], "answers": true }, "accept": "text/html", "body": "<h1>{{title}}</h1>" }],
    });
    let host = Host::builder().plugin(FallbackPlugin, settings).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let busy = || async { StatusCode::SERVICE_UNAVAILABLE };
    let app = Router::new().route("/busy", get(busy)).merge(host.router()).layer(host.layer());

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    host.stop(std::time::Duration::from_secs(5)).await;
    Ok(())
}
