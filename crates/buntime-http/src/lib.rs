//! The edges: listener, bodies, client address, upstream connections, upgrades, limits, timeouts.
//!
//! Three parts, each usable alone:
//! - [`server`]: accepts connections, speaks HTTP/1.1 and HTTP/2, refuses what is not HTTP, hands requests to a [`server::Serve`].
//! - [`upstream`]: pooled connections to one origin each, for what is answered elsewhere.
//! - the small judges between them: [`client_address`], [`hygiene`], [`path`], [`request_id`], [`trace_context`],
//!   [`body`], [`upgrade`].
//!
//! One body type everywhere: [`axum::body::Body`]. What is absent on purpose: routing, error pages with request ids,
//! anything that knows of plugins.

pub mod body;
mod framing;
pub mod server;
