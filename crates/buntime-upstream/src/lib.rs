//! Balanced upstreams: targets, health, retries, breakers, queues, and the way of a request to them.

pub mod cluster;
pub mod forward;

pub use cluster::{
    Call, Cluster, ClusterOptions, ClusterReport, Clusters, HostChoice, Occupied, Override, Surroundings, UnknownTarget,
};
pub use forward::{Destination, ForwardOptions, Outgoing, RouteOptions, ServiceRoute};
