//! Loopback is let in, all others are kept out, in a plain axum program:
//! `PORT=8000 cargo run -p plugin-ip-restriction --example ip-restriction-standalone`, then ask `/hello/you`.

use std::net::SocketAddr;

use axum::{Router, routing::get};
use buntime_core::{BoxError, Host};
use plugin_ip_restriction::IpRestrictionPlugin;
use serde_json::json;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let settings = json!({ "allow": ["127.0.0.0/8", "::1"] });
    let host = Host::builder().plugin(IpRestrictionPlugin, settings).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let app = Router::new()
        .route("/hello/{name}", get(|| async { "hello\n" }))
        .layer(host.layer())
        .merge(host.admin_router())
        .into_make_service_with_connect_info::<SocketAddr>();

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let shutdown = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    host.stop(std::time::Duration::from_secs(5)).await;
    Ok(())
}
