//! Logs of the runtime, of plugins and of every exchange.
//!
//! Everything goes through one [`LogBus`]: a `tracing` layer and a hook set offer to it, one thread hands what they
//! offer to the bounded ring, to stdout and, when configured, to an OTLP collector. Secrets are taken out before any of
//! them sees text. What offers never waits; what cannot be kept up with is lost and counted.
//!
//! A program installs the layer once, and mounts the plugin:
//!
//! ```no_run
//! use buntime_core::Host;
//! use plugin_logs::{Format, LogsPlugin};
//! use tracing_subscriber::prelude::*;
//!
//! # async fn run() {
//! tracing_subscriber::registry().with(plugin_logs::layer(Format::Auto)).init();
//! let host = Host::builder().plugin(LogsPlugin::new(), serde_json::json!({})).start().await;
//! # }
//! ```
//!
//! Deliberately absent: files and rotation (stdout is for that), and the bodies and headers of requests.

mod access;
mod api;
pub mod bus;
#[cfg(test)]
mod bus_tests;
pub mod capture;
mod collector;
pub mod config;
pub mod entry;
mod intake;
mod line;
mod openapi;
#[cfg(feature = "otlp")]
mod otlp;
mod page;
mod plugin;
pub mod query;
pub mod record;
pub mod redact;
pub mod ring;
mod segments;
mod sse;
pub mod stdout;
mod view;

use std::time::Duration;

pub use bus::LogBus;
pub use capture::LogsLayer;
pub use config::LogsSettings;
pub use entry::{Access, Entry, Level, What};
pub use plugin::LogsPlugin;
pub use query::Filter;
pub use record::Record;
pub use stdout::Format;

/// The layer a program installs once: captures every `tracing` event, and writes entries to stdout. Filters go around
/// it, as with any layer.
pub fn layer(format: Format) -> LogsLayer {
    LogBus::global().write_to_stdout(format);
    capture_layer()
}

/// The layer without stdout.
pub fn capture_layer() -> LogsLayer {
    LogsLayer::new(LogBus::global())
}

/// Waits until everything logged so far is on stdout, for at most `limit`. To be called before a program ends.
pub fn flush(limit: Duration) {
    LogBus::global().flush_blocking(limit);
}
