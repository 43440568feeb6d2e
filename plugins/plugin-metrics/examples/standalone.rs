//! Metrics in a plain axum program, without the runner: `PORT=8000 cargo run -p plugin-metrics --example metrics-standalone`.

use axum::{Router, routing::get};
use buntime_core::{BoxError, Host};
use plugin_metrics::MetricsPlugin;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let host = Host::builder().plugin(MetricsPlugin, json!({ "sseInterval": "1s" })).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let app =
        Router::new().route("/hello/{name}", get(|| async { "hello\n" })).merge(host.router()).layer(host.layer());

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
        // Ends the live streams too, which the server would otherwise wait for.
        stop.stop(std::time::Duration::from_secs(5)).await;
    };
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
