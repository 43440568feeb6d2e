//! Where a prepared request can be sent.

use std::{future::Future, net::IpAddr, sync::Arc, time::Instant};

use axum::body::Body;
use buntime_core::Error;
use http::{Request, Response};

/// A request that is ready to be sent to any target.
#[derive(Debug)]
pub struct Outgoing {
    /// The request, its target a path and query without any target's own prefix.
    pub request: Request<Body>,
    /// `Host` says the target that is asked; otherwise it stays as it is.
    pub target_host: bool,
    /// `Origin`, where there is one, says the target that is asked; otherwise it stays as it is.
    pub target_origin: bool,
    /// It asks for an upgrade: spoken as HTTP/1.1, and sent once only.
    pub upgrade: bool,
    /// Who asks, for who balances by it.
    pub client: IpAddr,
    /// The consumer that asks, likewise.
    pub consumer: Option<Arc<str>>,
    /// The client came by https.
    pub is_secure: bool,
    /// When the answer's head must be there; nobody else sees to it.
    pub deadline: Option<Instant>,
}

/// A cluster, or whatever else answers for an upstream.
pub trait Destination: Send + Sync + 'static {
    /// Sends it and waits for the head of the answer.
    ///
    /// # Errors
    /// What to answer the client with.
    fn send(&self, outgoing: Outgoing) -> impl Future<Output = Result<Response<Body>, Error>> + Send;

    /// Has it a time limit of its own? That replaces the server's `requestTimeout`.
    fn keeps_time(&self) -> bool;
}
