//! Who may call, by address: lists of addresses and networks that are let in or kept out.
//!
//! Judged is the client's address as the edge resolved it: the socket's, or what a trusted proxy says; which proxies
//! are trusted is the edge's business. IPv4 inside IPv6 (`::ffff:192.0.2.1`) is judged as IPv4. `deny` wins over
//! `allow`; an `allow` list closes to all others. A refusal is one error, `ip_denied`.
//!
//! Lists are sorted ranges: 100,000 entries are looked up in 17 steps, without an allocation. Names, countries and
//! lists that change by themselves are not here.
//!
//! In the runner it is one line of `buntime.jsonc`. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host): see `examples/standalone.rs`.

mod api;
mod config;
mod desk;
mod hooks;
mod networks;
mod plugin;
mod ranges;

pub use config::{IpRestrictionSettings, ModeName};
pub use plugin::IpRestrictionPlugin;
