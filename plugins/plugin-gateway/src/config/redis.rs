//! Settings of the Redis that several nodes share.

use std::{fmt, time::Duration};

use buntime_core::{SettingsProblem, units::Span};
use redis::IntoConnectionInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Redis server (5 or newer; no cluster).
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisSettings {
    /// Where it is: `redis://[user:password@]host[:port][/db]`, `rediss://…` with TLS, `redis+unix:///path`.
    pub url: String,
    /// What happens to requests that cannot be counted: let through, or answered with 503. Default `open`.
    #[serde(default)]
    pub on_unavailable: OnUnavailable,
    /// How long an answer may take, 1ms to 4s. Default 250ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// What its keys begin with. Nodes with one prefix share their limits. Default `buntime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// What happens while Redis is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnUnavailable {
    /// Requests are let through, uncounted.
    #[default]
    Open,
    /// Requests are answered with 503.
    Closed,
}

/// The URL may hold a password.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("on_unavailable", &self.on_unavailable)
            .field("timeout", &self.timeout)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl RedisSettings {
    /// How long an answer may take.
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(Duration::from_millis(250), Duration::from)
    }

    /// What keys begin with.
    pub fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("buntime")
    }

    pub(super) fn check(&self, pointer: &str, problems: &mut Vec<SettingsProblem>) {
        if self.url.as_str().into_connection_info().is_err() {
            let problem = SettingsProblem::new(format!("{pointer}/url"), "it is no URL of a Redis server");
            problems.push(problem.with_help("write redis://host:6379, rediss://host:6379 or redis+unix:///path"));
        }
        let within = |timeout: Span| (Duration::from_millis(1)..=Duration::from_secs(4)).contains(&*timeout);
        if self.timeout.is_some_and(|timeout| !within(timeout)) {
            let problem = SettingsProblem::new(format!("{pointer}/timeout"), "it is too long, or no time at all");
            problems.push(problem.with_help("a hook has five seconds; write 1ms to 4s"));
        }
        let sane = |c: char| c.is_ascii_graphic();
        if self.prefix.as_ref().is_some_and(|p| p.is_empty() || p.len() > 64 || !p.chars().all(sane)) {
            let problem = SettingsProblem::new(format!("{pointer}/prefix"), "it is no prefix of keys");
            problems.push(problem.with_help("write 1 to 64 visible ASCII characters"));
        }
    }
}
