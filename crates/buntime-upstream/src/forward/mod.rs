//! The way of one exchange to an upstream and back: the client's request made into the upstream's, sent, and its answer
//! made into the client's; both bodies streamed. WebSockets are relayed once the upstream has agreed to them.
//!
//! What chooses the path (a route's `stripPath`, a rule's rewrite) and what edits the answer stay with who forwards.
//! Handlers that forward keep time themselves ([`buntime_core::Handler::keeps_time`]), so that a target that is too slow
//! is known to be. What is absent on purpose: choosing a target, and retries, which are the [`Destination`]'s.

mod answer;
mod destination;
mod request;
mod service;
pub mod websocket;

use std::time::{Duration, Instant};

use axum::body::Body;
use buntime_core::{Cx, Error, ErrorKind, Http, HttpResponse};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header, uri::PathAndQuery};
use tokio_util::sync::CancellationToken;

pub use destination::{Destination, Outgoing};
pub use service::{RouteOptions, ServiceRoute};

/// The longest WebSocket message, in bytes, where nobody says otherwise.
pub const MAX_MESSAGE: usize = 16 << 20;

/// How requests are forwarded, whatever their path.
#[derive(Clone, Debug)]
pub struct ForwardOptions {
    /// Tell the target the client's `Host`; otherwise its own.
    pub preserve_host: bool,
    /// Tell the target its own origin where the client says one.
    pub target_origin: bool,
    /// Fields not to pass on.
    pub remove: Box<[HeaderName]>,
    /// Fields to set on each request, after everything else; `Host` among them wins over `preserve_host`.
    pub set: Box<[(HeaderName, HeaderValue)]>,
    /// Relay WebSockets. If not, a request for one goes upstream as any other, without its upgrade.
    pub websockets: bool,
    /// How long an answer's head may take; replaces the server's `requestTimeout`.
    pub timeout: Option<Duration>,
    /// How long an answer may bring nothing, and a WebSocket be silent in both directions. `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// The longest WebSocket message, in bytes, where plugins look at messages.
    pub max_message: usize,
    /// Ends relayed connections where no listener says when: in a program without the runner's server.
    pub stopping: CancellationToken,
}

impl Default for ForwardOptions {
    fn default() -> Self {
        Self {
            preserve_host: false,
            target_origin: false,
            remove: Box::default(),
            set: Box::default(),
            websockets: true,
            timeout: None,
            idle_timeout: None,
            max_message: MAX_MESSAGE,
            stopping: CancellationToken::new(),
        }
    }
}

impl ForwardOptions {
    /// Sends the exchange's request to `destination`, asking for `path` there, and returns what the client is to get.
    /// Takes the request's body, and its head's fields too where no hook can look at them any more.
    ///
    /// # Errors
    /// What sending failed with; [`ErrorKind::UpstreamProtocol`] when the upstream switches protocols unasked, and
    /// [`ErrorKind::Malformed`] when a WebSocket is asked for on a connection that cannot be upgraded.
    pub async fn send<D: Destination>(
        &self,
        destination: &D,
        cx: &mut Cx<Http>,
        path: PathAndQuery,
    ) -> Result<HttpResponse, Error> {
        if self.websockets && websocket::is_asked_for(cx.request()) {
            // Boxed apart: far larger than what all other requests need.
            return Box::pin(websocket::open(self, destination, cx, path)).await;
        }
        let request = request::prepare(self, cx, path, false);
        let outgoing = self.outgoing(destination, cx, request, false);
        self.answer(destination.send(outgoing).await?)
    }

    /// The client's answer to what was no upgrade.
    fn answer(&self, response: Response<Body>) -> Result<HttpResponse, Error> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let what = "the upstream switched protocols without being asked";
            return Err(Error::new(ErrorKind::UpstreamProtocol).with_internal(what));
        }
        Ok(answer::shape(response, self.idle_timeout))
    }

    fn outgoing<D: Destination>(
        &self,
        destination: &D,
        cx: &Cx<Http>,
        request: Request<Body>,
        upgrade: bool,
    ) -> Outgoing {
        let says = |field| self.set.iter().any(|(name, _)| *name == field);
        Outgoing {
            request,
            target_host: !self.preserve_host && !says(header::HOST),
            target_origin: self.target_origin && !says(header::ORIGIN),
            upgrade,
            client: cx.meta().client_ip,
            consumer: cx.consumer().cloned(),
            is_secure: cx.meta().scheme == "https",
            deadline: match self.timeout {
                Some(limit) => Some(Instant::now() + limit),
                None => cx.meta().deadline.filter(|_| !destination.keeps_time()),
            },
        }
    }
}
