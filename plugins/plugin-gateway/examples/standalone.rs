//! Limits and CORS in a plain axum program: `PORT=8000 cargo run -p plugin-gateway --example gateway-standalone`, then
//! ask `/hello/you` six times within a minute.

use axum::{Router, routing::get};
use buntime_core::{BoxError, Host};
use plugin_gateway::GatewayPlugin;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let settings =
        json!({ "rateLimit": { "requests": 5, "window": "1m" }, "cors": { "origin": "https://app.example.com" } });
    let host = Host::builder().plugin(GatewayPlugin, settings).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let app = Router::new()
        .route("/hello/{name}", get(|| async { "hello\n" }))
        .layer(host.layer())
        .merge(host.admin_router());

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = host.clone();
    let shutdown = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        stop.stop(std::time::Duration::from_secs(5)).await;
    };
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
