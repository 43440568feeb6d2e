//! Calls to where the guard allows, and to nowhere else.
//!
//! Each hop is judged, resolved once and pinned; redirects are followed here, one at a time, through the same judge. What
//! is absent on purpose: proxies from the environment, cookies, decompression, retries, upgrades.

mod call;
mod deadline;
mod error;
mod links;
mod redirect;
#[cfg(test)]
mod tests;

use std::{fmt, future::poll_fn, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use axum::body::Body;
use buntime_http::{
    body::{limited, timed},
    upstream::{ConnectFailure, UpstreamError},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body as HttpBody;
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

pub use call::{Call, Limits};
pub use error::CallError;

use links::Links;
use redirect::Sent;

use crate::{
    guard::{Guard, Pinned},
    refused::Refused,
    target::Target,
    trusted::TrustedOrigin,
    url_text,
};

/// So many addresses of a name are tried when connections fail.
const MOST_TRIES: usize = 4;

/// Calls through a guard. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct GuardedClient(Arc<Inner>);

struct Inner {
    guard: Guard,
    links: Links,
}

/// How connections are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// From nothing to a connection that can be used, for each address that is tried.
    pub connect_timeout: Duration,
    /// A PEM file of authorities that are believed beside the system's.
    pub ca: Option<PathBuf>,
}

impl Default for ClientOptions {
    /// 5 s, and the system's authorities.
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(5), ca: None }
    }
}

/// The URL that answered, after redirects: an extension of each response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed(pub Url);

/// Where one hop goes.
enum Way {
    Pinned(Pinned),
    Trusted(Target),
}

impl Way {
    fn target(&self) -> &Target {
        match self {
            Self::Pinned(pinned) => pinned.target(),
            Self::Trusted(target) => target,
        }
    }
}

impl GuardedClient {
    /// A client with the default options.
    pub fn new(guard: Guard) -> Self {
        Self::with_options(guard, ClientOptions::default())
    }

    /// A client whose connections are made like that.
    pub fn with_options(guard: Guard, options: ClientOptions) -> Self {
        let ClientOptions { connect_timeout, ca } = options;
        Self(Arc::new(Inner { guard, links: Links::new(connect_timeout, ca) }))
    }

    /// The guard that judges its calls.
    pub fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// For tests: connections to `pinned` end at `really`.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn detour(self, pinned: std::net::SocketAddr, really: std::net::SocketAddr) -> Self {
        self.0.links.detours.add(pinned, really);
        self
    }

    /// Sends a call whose URL is judged, and returns the answer as soon as its head is there. The body ends with an
    /// error when it passes the limits.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send(&self, call: impl Into<Call>) -> Result<Response<Body>, CallError> {
        self.run(call.into(), None, None).await
    }

    /// Sends a call to an address that was judged and pinned before; the call's own URL is not looked at. Redirects are
    /// judged.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send_pinned(&self, pinned: Pinned, call: impl Into<Call>) -> Result<Response<Body>, CallError> {
        self.run(call.into(), Some(pinned), None).await
    }

    /// Sends a call to an origin that the operator wrote. The call's URL must be of that origin, else it is judged; so
    /// is every redirect to another origin.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send_trusted(
        &self,
        origin: &TrustedOrigin,
        call: impl Into<Call>,
    ) -> Result<Response<Body>, CallError> {
        self.run(call.into(), None, Some(origin)).await
    }

    async fn run(
        &self,
        call: Call,
        pinned: Option<Pinned>,
        trusted: Option<&TrustedOrigin>,
    ) -> Result<Response<Body>, CallError> {
        let limits = call.limits;
        let until = limits.total.and_then(|total| Instant::now().checked_add(total));
        let head = until.or_else(|| Instant::now().checked_add(limits.stall));
        let following = Box::pin(self.follow(call, pinned, trusted));
        let response = match head {
            Some(head) => timeout_at(head, following).await.unwrap_or(Err(CallError::Timeout))?,
            None => following.await?,
        };
        Ok(response.map(|body| {
            let body = timed(limited(body, limits.response), limits.stall);
            match until {
                Some(until) => deadline::due(body, until),
                None => body,
            }
        }))
    }

    /// Sends a call as [`GuardedClient::send`] does and reads its whole answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn fetch(&self, call: impl Into<Call>) -> Result<Response<Bytes>, CallError> {
        whole(self.send(call).await?).await
    }

    async fn follow(
        &self,
        call: Call,
        pinned: Option<Pinned>,
        mut trusted: Option<&TrustedOrigin>,
    ) -> Result<Response<Body>, CallError> {
        if matches!(call.method, Method::CONNECT | Method::TRACE) {
            return Err(CallError::Method(call.method));
        }
        let most = call.limits.redirects.min(Limits::MOST_REDIRECTS);
        let headers = redirect::without_connection(call.headers);
        let mut sent = Sent { method: call.method, headers, body: call.body };
        let mut way = match pinned {
            Some(pinned) => Way::Pinned(pinned),
            None => self.way(&call.url, trusted).await?,
        };
        let mut followed = 0;
        loop {
            let mut response = self.exchange(&way, &sent).await?;
            let next = if most == 0 { Ok(None) } else { redirect::location(&response, way.target()) };
            let Some(next) = next.map_err(CallError::Redirect)? else {
                response.extensions_mut().insert(Landed(way.target().url().clone()));
                return Ok(response);
            };
            if followed == most {
                return Err(CallError::TooManyRedirects(most));
            }
            followed += 1;
            // Trust ends where the origin is left: nobody else may send a call back in.
            trusted = trusted.filter(|_| matches!(way, Way::Trusted(_)));
            let next = self.way(&next, trusted).await.map_err(CallError::Redirect)?;
            if way.target().is_https() && !next.target().is_https() {
                return Err(CallError::Redirect(Refused::Downgrade));
            }
            tracing::debug!(from = %way.target().host(), to = %next.target().host(), "a call is redirected");
            if !next.target().same_origin(way.target()) {
                sent.for_anybody();
            }
            sent.after(response.status());
            way = next;
        }
    }

    async fn way(&self, url: &str, trusted: Option<&TrustedOrigin>) -> Result<Way, Refused> {
        if let Some(origin) = trusted {
            let target = url_text::read(url)?;
            if origin.covers(&target) {
                return Ok(Way::Trusted(target));
            }
        }
        self.0.guard.check(url).await.map(Way::Pinned)
    }

    /// One hop. Where a connection to one address of a name fails, the next one is tried: nothing was sent.
    async fn exchange(&self, way: &Way, sent: &Sent) -> Result<Response<Body>, CallError> {
        let links = &self.0.links;
        let pinned = match way {
            Way::Trusted(target) => {
                let upstream = links.trusted(target)?;
                return Ok(upstream.send(request(target, sent)?).await?);
            }
            Way::Pinned(pinned) => pinned,
        };
        let mut failed = UpstreamError::Connect(ConnectFailure::Dns(None));
        for address in pinned.addresses().iter().take(MOST_TRIES) {
            let upstream = links.pinned(pinned.target(), *address)?;
            match upstream.send(request(pinned.target(), sent)?).await {
                Err(error @ UpstreamError::Connect(_)) => failed = error,
                done => return Ok(done?),
            }
        }
        Err(failed.into())
    }
}

impl fmt::Debug for GuardedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedClient").field("guard", &self.0.guard).finish_non_exhaustive()
    }
}

/// The request of one hop, with the target's own `Host`.
fn request(target: &Target, sent: &Sent) -> Result<Request<Body>, CallError> {
    let unsendable = |_| Refused::Unreadable("its path or host has a character that is not sent");
    let path = target.url()[Position::BeforePath..Position::AfterQuery].parse::<Uri>();
    let host = HeaderValue::from_str(&target.url()[Position::BeforeHost..Position::AfterPort]);
    let mut request = Request::new(Body::from(sent.body.clone()));
    *request.method_mut() = sent.method.clone();
    *request.uri_mut() = path.map_err(|_| ()).map_err(unsendable)?;
    *request.headers_mut() = sent.headers.clone();
    request.headers_mut().insert(header::HOST, host.map_err(|_| ()).map_err(unsendable)?);
    let agent = request.headers_mut().entry(header::USER_AGENT);
    agent.or_insert(HeaderValue::from_static("buntime"));
    Ok(request)
}

/// A response with its whole body, within the limits that its call had.
///
/// # Errors
/// The body broke off, was too large or took too long.
pub async fn whole(response: Response<Body>) -> Result<Response<Bytes>, CallError> {
    let (parts, mut body) = response.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.map_err(CallError::of_body)?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Response::from_parts(parts, bytes.freeze()))
}
