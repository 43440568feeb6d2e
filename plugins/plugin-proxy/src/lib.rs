//! A reverse proxy by rules: the first rule whose pattern matches a request's path sends it to its upstream.
//!
//! HTTP/1.1, HTTP/2 and WebSockets, streamed in both directions with trailers and `Expect: 100-continue`; paths
//! rewritten with the groups of the pattern; HTML made fit for another base path.
//!
//! A rule answers at priority 5, before most plugins are asked; one with `"guard": true` runs the rest of the chain
//! first. In the runner the rules are part of the router; alone, in any axum program, the plugin's hook matches by
//! itself: see `examples/standalone.rs`.
//!
//! A rule leads to one target, to targets of its own, or to those of a service; rules are those of the settings, and
//! those that the API adds and a database keeps.
//!
//! What is absent on purpose: caching, WebSockets over HTTP/2.

mod api;
mod config;
mod destination;
mod draft;
mod dynamic;
mod forward;
mod health;
mod hooks;
mod html;
mod opener;
mod page;
mod plugin;
mod rewrite;
mod rule;
mod table;
mod target;
mod upstream;

pub use config::{FragmentSettings, Http2, PreloadStyles, PriorKnowledge, ProxySettings, RuleSettings, Sandbox};
pub use plugin::ProxyPlugin;
