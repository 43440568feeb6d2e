//! A proxy in a plain axum program, without the runner: `PORT=8000 cargo run -p plugin-proxy --example proxy-standalone`.

use axum::{Router, routing::get};
use buntime_core::{BoxError, Host};
use plugin_proxy::ProxyPlugin;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let target = std::env::var("TARGET").unwrap_or_else(|_| "http://127.0.0.1:9000".to_owned());
    let rules = json!({ "rules": [{ "name": "app", "pattern": "^/app(/.*)?$", "rewrite": "$1", "target": target }] });
    let host = Host::builder().plugin(ProxyPlugin, rules).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let app = Router::new().route("/", get(|| async { "the upstream is at /app\n" })).layer(host.layer());

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
        // Says goodbye to WebSockets, which the server does not wait for.
        stop.stop(std::time::Duration::from_secs(5)).await;
    };
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
