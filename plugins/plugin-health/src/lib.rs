//! Health of a gateway: whether it lives, whether it is ready, and a report of every plugin, database and upstream.
//!
//! In the runner it is one line of `buntime.jsonc`. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host). Other parts add checks of their own to the host's
//! [`HealthChecks`](buntime_core::HealthChecks), the typed service for it: a plugin by
//! [`Startup::health_check`](buntime_core::Startup::health_check), which lasts as long as its instance, the program and
//! whatever comes and goes by `register`:
//!
//! ```
//! use axum::Router;
//! use buntime_core::{Finding, Host};
//! use plugin_health::HealthPlugin;
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let host = Host::builder().plugin(HealthPlugin, json!({})).start().await.expect("starts");
//! let kept = host.health().register("disk", || async { Finding::degraded("It is nearly full") });
//! let app: Router = host.router();
//! // Serve `app`; its health is at /p/health/api/health. The check ends when `kept` is dropped.
//! # drop((app, kept));
//! # host.stop(std::time::Duration::from_secs(1)).await;
//! # }
//! ```
//!
//! What a check says is shown to whoever may ask, by default everybody: its message must hold nothing internal.

mod api;
mod config;
mod page;
mod plugin;
pub mod report;
mod runs;

pub use config::HealthSettings;
pub use plugin::HealthPlugin;
