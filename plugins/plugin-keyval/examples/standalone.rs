//! A store that Deno can open, in a plain axum program:
//! `PORT=8000 cargo run -p plugin-keyval --example keyval-standalone`, then
//! `DENO_KV_ACCESS_TOKEN=a-long-and-random-text deno eval --unstable-kv \
//! 'console.log(await (await Deno.openKv("http://127.0.0.1:8000/p/keyval")).set(["a"], 1))'`.

use std::{sync::Arc, time::Duration};

use axum::Router;
use buntime_core::{BoxError, Host, services::Services};
use buntime_database::{
    Registry,
    sqlite::{Options, Sqlite},
};
use plugin_keyval::KeyvalPlugin;
use serde_json::json;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let sqlite = Arc::new(Sqlite::open(Options::memory()).await?);
    let services = Services::default();
    services.provide::<Registry>(Arc::new(Registry::builder().add(sqlite, true).build()?));
    let settings = json!({ "accessTokens": ["a-long-and-random-text"] });
    let host = Host::builder().plugin(KeyvalPlugin, settings).services(services).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    let app = Router::new().merge(host.router()).layer(host.layer());

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let shutdown = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    host.stop(Duration::from_secs(5)).await;
    Ok(())
}
