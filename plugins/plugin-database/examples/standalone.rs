//! A database behind Hrana and REST, in a plain axum program that lets in whoever reaches it:
//! `PORT=8000 cargo run -p plugin-database --example database-standalone`, then
//! `curl -H 'content-type: application/json' -d '{ "sql": "SELECT 1" }' http://127.0.0.1:8000/p/database/api/query`.

use std::{sync::Arc, time::Duration};

use axum::Router;
use buntime_core::{BoxError, Host, services::Services};
use buntime_database::{
    Registry,
    sqlite::{Options, Sqlite},
};
use plugin_database::DatabasePlugin;
use serde_json::json;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know where it listens")]
async fn main() -> Result<(), BoxError> {
    let options = Options::file(std::env::temp_dir().join("database-standalone.db"));
    let sqlite = Arc::new(Sqlite::open(options.clone()).await?);
    let registry = Registry::builder().add(sqlite, true).with_tenants(Sqlite::tenants(&options)?).build()?;
    let services = Services::default();
    services.provide::<Registry>(Arc::new(registry));
    let host = Host::builder().plugin(DatabasePlugin, json!({})).services(services).start().await;
    let host = host.map_err(|problems| format!("{problems:?}"))?;
    // What administers is mounted on purpose: put a guard of yours around it.
    let app = Router::new().merge(host.admin_router()).layer(host.layer());

    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    host.stop(Duration::from_secs(5)).await;
    Ok(())
}
