//! What a cluster is opened with, what a request to it says beside itself, and what an operator may say of a target.

use std::{fmt, io, net::IpAddr, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration, time::Instant};

use buntime_config::model::{Speak, Upstream as Settings};
use buntime_core::{Clock, step::BoxFuture};
use buntime_http::upstream::Protocol;
use tokio_util::sync::CancellationToken;

/// What a cluster lives in: the program's clock, its end, and who looks names up.
#[derive(Clone)]
pub struct Surroundings {
    pub(super) clock: Clock,
    pub(super) cancelled: CancellationToken,
    pub(super) resolver: Arc<dyn Resolve>,
}

impl Surroundings {
    /// Tasks of clusters opened with it end with `cancelled`. Names are looked up by the system.
    pub fn new(clock: Clock, cancelled: CancellationToken) -> Self {
        Self { clock, cancelled, resolver: Arc::new(System) }
    }

    /// Names are looked up by somebody else.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// Looks names up.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a name, in any order.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// How the targets of a cluster are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterOptions {
    /// Which HTTP to speak.
    pub protocol: Protocol,
    /// Believe any certificate.
    pub insecure: bool,
    /// A PEM file of authorities that are believed beside the system's.
    pub ca: Option<PathBuf>,
    /// From nothing to a connection that can be used.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
}

impl ClusterOptions {
    /// What a service's settings say of it.
    pub fn of(settings: &Settings) -> Self {
        let protocol = match settings.protocol {
            Speak::Auto => Protocol::Auto,
            Speak::Http1 => Protocol::Http1,
            Speak::Http2 => Protocol::Http2,
        };
        let connect_timeout = settings.connect_timeout.into();
        let ca = settings.ca.clone();
        Self { protocol, insecure: !settings.secure, ca, connect_timeout, ..Self::default() }
    }
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            protocol: Protocol::Auto,
            insecure: false,
            ca: None,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// What a request to a cluster says beside itself.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who asks.
    pub client_ip: IpAddr,
    /// The consumer that asks, if one was recognised.
    pub consumer: Option<&'a str>,
    /// The client came by https: a cookie that is issued to it is for https alone.
    pub is_secure: bool,
    /// What `Host` says.
    pub host: HostChoice,
    /// When the answer's head must be there; the cluster's own `timeout` counts too.
    pub deadline: Option<Instant>,
    /// It asks for an upgrade: spoken as HTTP/1.1, and not repeated once it reached a target.
    pub upgrade: bool,
}

impl Call<'_> {
    /// A call from that address, with the target's own `Host`.
    pub fn new(client_ip: IpAddr) -> Self {
        Self { client_ip, consumer: None, is_secure: false, host: HostChoice::TARGET, deadline: None, upgrade: false }
    }
}

/// What `Host`, and perhaps `Origin`, say to a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostChoice {
    /// `Host` says the target; otherwise it stays as the request has it.
    pub host: bool,
    /// `Origin`, where there is one, says the target; otherwise it stays.
    pub origin: bool,
}

impl HostChoice {
    /// Both stay as the request has them.
    pub const PRESERVE: Self = Self { host: false, origin: false };
    /// `Host` says the target.
    pub const TARGET: Self = Self { host: true, origin: false };
    /// Both say the target.
    pub const TARGET_AND_ORIGIN: Self = Self { host: true, origin: true };
}

/// What an operator says of a target, whatever its health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Override {
    /// Nothing: checks and the breaker decide.
    #[default]
    Auto,
    /// It gets nothing new; what is under way ends in peace.
    Drain,
    /// Out, as if its breaker were open.
    ForceOpen,
    /// In, whatever checks and the breaker say.
    ForceClosed,
}

/// There is no such target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no target `{0}` in this upstream")]
pub struct UnknownTarget(pub String);
