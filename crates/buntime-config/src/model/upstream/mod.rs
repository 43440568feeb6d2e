//! `upstream`: targets, balancing, queue, retries, health checks, breaker.

use std::path::{Path, PathBuf};

use buntime_core::{options::BreakerOptions, units::Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod hash_key;
mod health;
mod limits;
mod retry;
mod shadow;
mod target;

pub use hash_key::HashKey;
pub use health::{ActiveHealth, HealthChecks, PassiveHealth, StatusRange};
pub use limits::{Dns, Queue, Speak};
pub use retry::{RetryBudget, RetryOptions};
pub use shadow::{Mirror, Sticky};
pub use target::{Target, TargetUrl};

/// Where a service's requests go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// How a target is chosen. Default `round_robin`.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// What `consistent_hash` hashes: `ip`, `path`, `consumer`, `header:<name>`, `cookie:<name>` or `query:<name>`. A
    /// request without it goes to one target after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_by: Option<HashKey>,
    /// The addresses that answer.
    #[schemars(length(min = 1))]
    pub targets: Vec<Target>,
    /// Keeps who asks at the target it was first given, as long as that one is well. Off unless configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// What waits for a connection. Without it nothing waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// How often a failed attempt is repeated, on another target if there is one. Default 2.
    #[serde(default = "default_retries")]
    #[schemars(range(max = 10))]
    pub retries: u32,
    /// What is repeated, and how often at most.
    #[serde(default, skip_serializing_if = "RetryOptions::is_default")]
    pub retry: RetryOptions,
    /// How long an answer's head may take, with waiting and every attempt; replaces `server.requestTimeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: Option<Span>,
    /// How long each attempt may take, until its answer's head. Without it only `timeout` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub try_timeout: Option<Span>,
    /// How long connecting to a target may take: its name, TCP and TLS. Default 5s.
    #[serde(default = "default_connect_timeout")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub connect_timeout: Span,
    /// Which HTTP is spoken to the targets. Default `auto`.
    #[serde(default)]
    pub protocol: Speak,
    /// Must the certificates of `https` targets be good? Default true.
    #[serde(default = "yes")]
    pub secure: bool,
    /// A PEM file of authorities that `https` targets are believed by, beside the system's. A relative path begins at
    /// the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How targets that fail are found. Off unless configured.
    #[serde(default, skip_serializing_if = "HealthChecks::is_off")]
    pub health: HealthChecks,
    /// When a target is no longer asked, and when it is tried again. Off unless configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerOptions>,
    /// How long a target that was added or came back takes to get its whole share. Off unless configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub slow_start: Option<Span>,
    /// How the names of targets are looked up.
    #[serde(default, skip_serializing_if = "Dns::is_default")]
    pub dns: Dns,
    /// Sends copies of requests to a shadow target, whose answers nobody sees. Off unless configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
}

impl Upstream {
    /// Those targets, and defaults for the rest.
    pub fn new(targets: Vec<Target>) -> Self {
        Self {
            algorithm: Algorithm::default(),
            key_by: None,
            targets,
            sticky: None,
            queue: None,
            retries: default_retries(),
            retry: RetryOptions::default(),
            timeout: None,
            try_timeout: None,
            connect_timeout: default_connect_timeout(),
            protocol: Speak::default(),
            secure: true,
            ca: None,
            health: HealthChecks::default(),
            breaker: None,
            slow_start: None,
            dns: Dns::default(),
            mirror: None,
        }
    }

    /// Makes its paths begin at that directory.
    pub fn resolve_paths(&mut self, dir: &Path) {
        if let Some(ca) = &mut self.ca {
            *ca = dir.join(&*ca);
        }
    }
}

fn default_retries() -> u32 {
    2
}

fn default_connect_timeout() -> Span {
    Span::secs(5)
}

fn yes() -> bool {
    true
}

/// How a target is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// One after the other, as often as their weights say.
    #[default]
    RoundRobin,
    /// At random, as often as their weights say.
    Weighted,
    /// The one with the fewest requests under way for its weight.
    LeastConnections,
    /// At random, whatever the weights (but 0).
    Random,
    /// The less busy one, for its weight, of two that are drawn at random.
    P2c,
    /// The same client address to the same target.
    IpHash,
    /// The same `keyBy` to the same target, moving few keys when targets come or go.
    ConsistentHash,
}
