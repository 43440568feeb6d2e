//! `upstream`: targets, balancing, queue, retries, health checks, breaker.

use std::{fmt, ops::Deref};

use buntime_core::{options::BreakerOptions, units::Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use crate::formats;

/// Where a service's requests go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// How a target is chosen. Default `round_robin`.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// What `consistent_hash` hashes: `ip`, `path`, `consumer`, `header:<name>`, `cookie:<name>` or `query:<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_by: Option<HashKey>,
    /// The addresses that answer.
    #[schemars(length(min = 1))]
    pub targets: Vec<Target>,
    /// What waits for a connection. Without it nothing waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// How often a failed attempt is repeated on another target. Default 2.
    #[serde(default = "default_retries")]
    #[schemars(range(max = 10))]
    pub retries: u32,
    /// How long an answer's head may take; replaces `server.requestTimeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: Option<Span>,
    /// How targets that fail are found. Off unless configured.
    #[serde(default, skip_serializing_if = "HealthChecks::is_off")]
    pub health: HealthChecks,
    /// When a target is no longer asked, and when it is tried again. Off unless configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerOptions>,
}

fn default_retries() -> u32 {
    2
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
    /// The one with the fewest requests under way.
    LeastConnections,
    /// At random.
    Random,
    /// The less busy one of two that are drawn at random.
    P2c,
    /// The same client address to the same target.
    IpHash,
    /// The same `keyBy` to the same target, moving few keys when targets come or go.
    ConsistentHash,
}

/// What `consistent_hash` hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    Ip,
    /// The path.
    Path,
    /// The consumer, else the client's address.
    Consumer,
    /// The value of a header.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The value of a query parameter.
    Query(String),
}

impl std::str::FromStr for HashKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "ip" => Ok(Self::Ip),
            None if text == "path" => Ok(Self::Path),
            None if text == "consumer" => Ok(Self::Consumer),
            Some(("header", name)) => formats::header_name(name).map(|()| Self::Header(name.to_ascii_lowercase())),
            Some(("cookie", name)) if !name.is_empty() => Ok(Self::Cookie(name.to_owned())),
            Some(("query", name)) if !name.is_empty() => Ok(Self::Query(name.to_owned())),
            _ => Err("write `ip`, `path`, `consumer`, `header:<name>`, `cookie:<name>` or `query:<name>`".to_owned()),
        }
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip => f.write_str("ip"),
            Self::Path => f.write_str("path"),
            Self::Consumer => f.write_str("consumer"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

/// One address that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// `http://` or `https://`, a host, a port and perhaps a path that is put before the request's.
    pub url: TargetUrl,
    /// Its share; 0 gets nothing. Default 1.
    #[serde(default = "default_weight")]
    #[schemars(range(max = 1_000_000))]
    pub weight: u32,
    /// Its tier: a lower one (a bigger number) is used only while no higher one is healthy. Default 0.
    #[serde(default)]
    pub priority: u32,
    /// How many requests it gets at a time. Without it there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_connections: Option<u32>,
}

fn default_weight() -> u32 {
    1
}

/// The address of a target. It has a host, and no credentials, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl(Url);

impl Deref for TargetUrl {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.0
    }
}

impl std::str::FromStr for TargetUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        formats::http_url(text).map(Self)
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What waits for a connection; past it the answer is 503 `over_capacity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Queue {
    /// How many wait. Default 50.
    pub max: u32,
    /// How long each waits. Default 5s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: Span,
}

impl Default for Queue {
    fn default() -> Self {
        Self { max: 50, timeout: Span::secs(5) }
    }
}

/// How targets that fail are found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HealthChecks {
    /// By asking them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveHealth>,
    /// By watching what they answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveHealth>,
}

impl HealthChecks {
    /// Is nothing checked?
    pub fn is_off(&self) -> bool {
        self.active.is_none() && self.passive.is_none()
    }
}

/// Asks every target now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ActiveHealth {
    /// What is asked for. Default `/`.
    #[schemars(extend("format" = "request-path"))]
    pub path: String,
    /// How often. Default 5s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub interval: Span,
    /// How long an answer may take. Default 1s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: Span,
    /// That many failures in a row take it out. Default 3.
    #[schemars(range(min = 1))]
    pub unhealthy_after: u32,
    /// That many successes in a row take it back. Default 2.
    #[schemars(range(min = 1))]
    pub healthy_after: u32,
}

impl Default for ActiveHealth {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval: Span::secs(5),
            timeout: Span::secs(1),
            unhealthy_after: 3,
            healthy_after: 2,
        }
    }
}

/// Takes a target out for a while when too many of its answers are failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PassiveHealth {
    /// That many within `window` take it out, for `window`. Default 5.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// See `failures`. Default 30s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub window: Span,
}

impl Default for PassiveHealth {
    fn default() -> Self {
        Self { failures: 5, window: Span::secs(30) }
    }
}

super::words::text_type!(HashKey, "hash-key");
super::words::text_type!(TargetUrl, "http-url");
