//! The harness of the end-to-end tests: the real runner, in this process ([`Gateway`]) or as the binary ([`Process`]),
//! clients that hold nothing back ([`client`], [`Raw`]), certificates, and nginx where it is installed.
//!
//! Every test has its own directory, its own ports (0) and no order among the others. Nothing sleeps to be in time:
//! `buntime_testing::eventually` asks until it is so.

mod browser;
mod certificate;
pub mod client;
mod deno;
mod gateway;
pub mod history;
mod libsql_client;
mod metrics;
mod moody;
mod nginx;
mod process;
mod raw;
mod skip;
mod stamp;
mod upstreams;
mod websocket;

pub use browser::{Browser, Tab};
pub use certificate::Certificate;
pub use client::Answer;
pub use deno::{Script, deno, node};
pub use gateway::{Gateway, example_home, proxying, rule, start_copy, start_example};
pub use libsql_client::libsql_client;
pub use metrics::sample;
pub use moody::{Mood, Moody};
pub use nginx::Nginx;
pub use process::{Process, Ran, binary, example};
pub use raw::Raw;
pub use skip::{repository, skipped};
pub use stamp::Stamp;
pub use upstreams::{Ended, counted, drip, echo, hello};
pub use websocket::{WebSocket, websocket, websocket_echo};

use std::time::Duration;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits no longer than [`PATIENCE`].
///
/// # Panics
/// With `what` when it takes longer.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}
