//! Metrics of a gateway: requests by route, method and status class; every plugin's hooks; the process. As Prometheus
//! text, as JSON, and live by server-sent events.
//!
//! In the runner it is one line of `buntime.jsonc`. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host):
//!
//! ```
//! use axum::{Router, routing::get};
//! use buntime_core::Host;
//! use plugin_metrics::MetricsPlugin;
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let host = Host::builder().plugin(MetricsPlugin, json!({})).start().await.expect("starts");
//! let app = Router::new().route("/hello", get(|| async { "hello" })).merge(host.router()).layer(host.layer());
//! // Serve `app`; its metrics are at /p/metrics/api/prometheus.
//! # let _: Router = app;
//! # host.stop(std::time::Duration::from_secs(1)).await;
//! # }
//! ```
//!
//! The counters serve without a host too: [`Requests`] counts, [`prometheus::render`] writes.
//!
//! Label values are bounded: a route is its configured label (or axum's route pattern), never a path; a method is one
//! of nine or `OTHER`; past `maxRoutes` labels everything is `other`. The same holds for what is kept in the database for
//! analytics, which tells `maxSeries` combinations apart.

mod analytics;
mod api;
mod config;
mod live;
mod observer;
mod page;
mod plugin;
pub mod process;
pub mod prometheus;
pub mod requests;
pub mod snapshot;

pub use buntime_measure::{cells, text};

pub use analytics::{AnalyticsSettings, Counts, Key, OTHER, Tally};
pub use config::{DEFAULT_BUCKETS, MetricsSettings};
pub use plugin::MetricsPlugin;
pub use requests::Requests;
