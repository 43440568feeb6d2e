//! The edges: listener, bodies, client address, upstream connections, upgrades, limits, timeouts.
//!
//! Three parts, each usable alone:
//! - [`server`]: accepts connections, speaks HTTP/1.1 and HTTP/2, refuses what is not HTTP, hands requests to a [`server::Serve`].
//! - [`upstream`]: pooled connections to one origin each, for what is answered elsewhere.
//! - the small judges between them: [`client_address`], [`extract`], [`hygiene`], [`path`], [`request_id`], [`trace_context`],
//!   [`body`], [`kept`], [`media`], [`upgrade`].
//!
//! One body type everywhere: [`axum::body::Body`]. What is absent on purpose: routing, error pages with request ids,
//! anything that knows of plugins.

pub mod body;
pub mod client_address;
pub mod extract;
mod framing;
pub mod hygiene;
pub mod kept;
pub mod media;
pub mod path;
pub mod request_id;
pub mod server;
pub mod trace_context;
pub mod upgrade;
pub mod upstream;
