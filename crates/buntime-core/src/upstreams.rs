//! What the host's upstreams tell of themselves, for who shows it: a typed service, `services.get::<dyn Upstreams>()`.

use serde::Serialize;

/// Upstreams that can be read.
pub trait Upstreams: Send + Sync {
    /// How they are now, by name.
    fn read(&self) -> Vec<UpstreamReading>;
}

/// One upstream. Counts are since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamReading {
    /// Its name in the configuration.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Attempts beyond the first of a request.
    pub retries: u64,
    /// Requests that wait for a target now.
    pub queued: u64,
    /// Its targets, in the order of the configuration: known by their numbers, since addresses are nobody's business.
    pub targets: Vec<TargetReading>,
}

/// One target of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetReading {
    /// Is it asked?
    pub up: bool,
    /// Its state, as in the admin API.
    pub state: &'static str,
    /// Requests under way.
    pub in_flight: u64,
    /// Attempts.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
}
