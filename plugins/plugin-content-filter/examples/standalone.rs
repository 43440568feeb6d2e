//! Card numbers and keys never leave a plain axum program:
//! `PORT=8000 cargo run -p plugin-content-filter --example content-filter-standalone`, then ask `/`.

use axum::{Router, routing::get};
use buntime_core::{BoxError, Host};
use plugin_content_filter::ContentFilterPlugin;
use serde_json::json;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let settings =
        json!({ "rules": [{ "detect": ["credit_card"], "keepLast": 4 }, { "detect": ["api_key", "email"] }] });
    let host = Host::builder().plugin(ContentFilterPlugin, settings).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let app = Router::new()
        .route("/", get(|| async { "jane@example.com paid with 4111 1111 1111 1111\n" }))
        .layer(host.layer())
        .merge(host.admin_router());

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    host.stop(std::time::Duration::from_secs(5)).await;
    Ok(())
}
