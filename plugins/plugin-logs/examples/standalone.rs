//! The logs in a program of your own: an access line for each exchange, and the API to query and follow them.

use std::time::Duration;

use axum::{Router, routing::get};
use buntime_core::Host;
use plugin_logs::{Format, LogsPlugin};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::registry().with(plugin_logs::layer(Format::Auto)).init();
    let host = Host::builder().plugin(LogsPlugin::new(), serde_json::json!({ "query": true })).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    // The API administers: guard it before anybody but you can reach it.
    let app = Router::new().route("/", get(async || "hello")).merge(host.admin_router()).layer(host.layer());
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    let mut term = signal(SignalKind::terminate())?;
    let (stop, stopping) = (host.clone(), async move {
        tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = term.recv() => {} }
    });
    // Live streams end when the host stops, and the server waits for them.
    let ended = async move { (stopping.await, stop.stop(Duration::from_secs(5)).await) };
    axum::serve(listener, app).with_graceful_shutdown(async move { _ = ended.await }).await?;
    plugin_logs::flush(Duration::from_secs(1));
    Ok(())
}
