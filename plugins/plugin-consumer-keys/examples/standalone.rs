//! API keys in a plain axum program: `PORT=8000 cargo run -p plugin-consumer-keys --example consumer-keys-standalone`,
//! then ask `/p/consumer-keys/api/whoami` with `X-API-Key: key-of-acme`.

use axum::{Router, routing::get};
use buntime_core::{BoxError, ConsumerMatch, ConsumerScope, Host};
use plugin_consumer_keys::{ConsumerKeysPlugin, digest};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let matches = vec![ConsumerMatch::Key(digest(b"key-of-acme"))];
    let acme = ConsumerScope { name: "acme".into(), groups: vec![], matches, entries: vec![] };
    let builder = Host::builder().plugin(ConsumerKeysPlugin, json!({})).consumers([acme]);
    let host = builder.start().await.map_err(|problems| format!("{problems:?}"))?;
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
        stop.stop(std::time::Duration::from_secs(5)).await;
    };
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
