//! Rate limits, quotas, a response cache and CORS for everything that passes the gateway.
//!
//! **Limits** count requests by address, consumer, user, header, cookie, route or all together, with a token bucket, a
//! fixed or a sliding window, in memory or in a Redis that several nodes share; **quotas** by day or month are kept in
//! the database. The **cache** is a shared one as RFC 9111 has it, in memory, bounded by bytes: see `CACHE.md`. **CORS** is
//! answered here, so that no service has to. A **shell** for micro-frontends gets what a browser navigates to. How
//! requests ended is counted, remembered and sampled for the page.
//!
//! In the runner it is one line of `buntime.jsonc`. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host): see `examples/standalone.rs`. The counters alone, without HTTP, are [`Counted`].

mod api;
mod cache;
mod config;
mod cors;
mod desk;
mod history;
mod limits;
mod log;
mod page;
mod plugin;
mod shell;

pub use config::{
    AlgorithmName, Bypass, CacheSettings, CollapseSettings, CorsSettings, Cost, CostRule, GatewaySettings,
    HistorySettings, KeyBy, LimitSettings, LogSettings, Logged, ModeName, OnUnavailable, OneOrMore, Period, RateLimit,
    RedisSettings, SetCookie, Words,
};
pub use limits::{
    algorithm::{Algorithm, Verdict},
    counted::Counted,
};
pub use plugin::GatewayPlugin;
