//! Settings of the plugin: limits, the response cache, CORS, the Redis that several nodes share, the shell, what is
//! remembered for operators.

mod cache;
mod cors;
mod limit;
mod log;
mod redis;
mod shell;

use buntime_core::{Settings, SettingsProblem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    cache::{CacheSettings, CollapseSettings, SetCookie},
    cors::{CorsSettings, Words},
    limit::{AlgorithmName, Bypass, Cost, CostRule, KeyBy, LimitSettings, ModeName, OneOrMore, Period},
    log::{HistorySettings, LogSettings, Logged},
    redis::{OnUnavailable, RedisSettings},
};
pub(crate) use self::{cors::words, limit::network, shell::is_basename};

/// What the plugin takes in `buntime.jsonc`. What is absent is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// One limit, or several with a name each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// What answers are stored and served again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSettings>,
    /// Which other origins browsers may call from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsSettings>,
    /// Counts limits in Redis, so that several nodes share them. Quotas stay in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSettings>,
    /// An address of IPv6 stands for all that share its first so many bits. Default 64.
    #[schemars(range(min = 1, max = 128))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_prefix: Option<u8>,
    /// How many keys each limit remembers in memory. Past it the one that has used least is forgotten. Default 100000.
    #[schemars(range(min = 1, max = 10_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_keys: Option<u32>,
    /// Where the shell of micro-frontends is, `http://host:port`: it gets what a browser navigates to, and the program
    /// that has the path gets the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell_target: Option<String>,
    /// First segments of paths that are never the shell's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shell_excludes: Vec<String>,
    /// Which requests are remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogSettings>,
    /// What is sampled for charts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySettings>,
}

/// One limit, which is called `default`, or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a limit as an object, or a list of limits")]
pub enum RateLimit {
    /// One; boxed for its size.
    One(Box<LimitSettings>),
    /// Several.
    Several(Vec<LimitSettings>),
}

/// The default of `ipv6Prefix`.
pub(crate) const IPV6_PREFIX: u8 = 64;
/// The default of `maxKeys`.
pub(crate) const MAX_KEYS: u32 = 100_000;
/// No configuration has more limits: each is asked for every request.
const MOST_LIMITS: usize = 32;

impl GatewaySettings {
    /// Each limit with its name and where it stands in the settings, by name as `origin` wants it.
    pub(crate) fn limits(&self) -> Vec<(String, &LimitSettings)> {
        match &self.rate_limit {
            None => Vec::new(),
            Some(RateLimit::One(limit)) => vec![(name_of(limit, "default"), limit)],
            Some(RateLimit::Several(limits)) => {
                limits.iter().enumerate().map(|(index, limit)| (name_of(limit, &index.to_string()), limit)).collect()
            }
        }
    }
}

fn name_of(limit: &LimitSettings, otherwise: &str) -> String {
    limit.name.clone().unwrap_or_else(|| otherwise.to_owned())
}

impl Settings for GatewaySettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let limits = self.limits();
        let several = matches!(self.rate_limit, Some(RateLimit::Several(_)));
        if limits.len() > MOST_LIMITS {
            let problem = SettingsProblem::new("/rateLimit", format!("{} limits are too many", limits.len()));
            problems.push(problem.with_help(format!("each request asks all of them; write at most {MOST_LIMITS}")));
        }
        for (index, (name, limit)) in limits.iter().enumerate() {
            let pointer = if several { format!("/rateLimit/{index}") } else { "/rateLimit".to_owned() };
            if limits.iter().take(index).any(|(earlier, _)| earlier == name) {
                let problem = SettingsProblem::new(&pointer, format!("two limits are named `{name}`"));
                problems.push(problem.with_help("give each a name of its own"));
            }
            limit.check(name, &pointer, &mut problems);
        }
        if let Some(cache) = &self.cache {
            cache.check(self.redis.is_some(), "/cache", &mut problems);
        }
        if let Some(cors) = &self.cors {
            cors.check("/cors", &mut problems);
        }
        if let Some(redis) = &self.redis {
            redis.check("/redis", &mut problems);
        }
        if let Some(history) = &self.history {
            history.check("/history", &mut problems);
        }
        shell::check(self, &mut problems);
        if self.ipv6_prefix.is_some_and(|bits| !(1..=128).contains(&bits)) {
            problems.push(SettingsProblem::new("/ipv6Prefix", "it is a number of bits, from 1 to 128"));
        }
        if self.max_keys.is_some_and(|keys| !(1..=10_000_000).contains(&keys)) {
            let problem = SettingsProblem::new("/maxKeys", "it is a number of keys, from 1 to 10000000");
            problems.push(problem.with_help("each takes about 80 bytes and its own length"));
        }
        problems
    }
}
