//! Balanced upstreams: targets, health, retries, breakers, queues, and the way of a request to them.

pub mod forward;

pub use forward::{Destination, ForwardOptions, Outgoing, RouteOptions, ServiceRoute};
