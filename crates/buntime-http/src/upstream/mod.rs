//! Pooled connections to one origin each, for the data path.
//!
//! An [`Upstream`] is one target: scheme, host, port, protocol, TLS mode. Idle HTTP/1 connections are kept in a stack per
//! thread slot, so that a worker takes back the connection it used last, on its own runtime; HTTP/2 has one connection
//! per slot. Dropping a runtime ends its connections, and they are found dead when next looked at.
//!
//! Each HTTP/1 connection is driven by a task of its own. Driving it in the exchange's future instead was measured: less
//! of our own time, more of the kernel's, and fewer requests a second.
//!
//! What is absent on purpose: retries beyond a pooled connection that turned out dead before anything was sent,
//! balancing, response timeouts per request, redirects, decompression.

mod answer;
mod attempt;
mod connect;
mod error;
mod expect;
mod pool;
mod tls;

use std::{fmt, future::Future, path::PathBuf, sync::Arc, time::Duration};

use axum::body::Body;
use futures_util::{FutureExt, future::BoxFuture};
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};

pub use connect::ConnectFailure;
pub use error::{SetupError, UpstreamError};
pub use pool::UpstreamStats;

use answer::Answer;
use attempt::{Attempt, Failed};
use connect::{Connector, Fresh};
use expect::Expectation;
use pool::{Lease, Pool};

/// Which HTTP is spoken to an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// On `https` what ALPN agrees on, on `http` HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only; on `http` by prior knowledge.
    Http2,
}

/// One target and how to reach it.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// `http://host[:port]` or `https://host[:port]`; a path is not looked at.
    pub origin: Uri,
    /// Which HTTP to speak.
    pub protocol: Protocol,
    /// Believe any certificate. Only for upstreams that the operator vouches for.
    pub insecure: bool,
    /// A PEM file of authorities that are believed beside the system's.
    pub ca: Option<PathBuf>,
    /// The name to ask for and check in TLS, where it is not the origin's host.
    pub server_name: Option<String>,
    /// From nothing to a connection that can be used: name, TCP, TLS.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept. Keep it below the upstream's own limit.
    pub idle_timeout: Duration,
    /// Unused HTTP/1 connections kept per worker.
    pub max_idle: usize,
}

impl UpstreamOptions {
    /// That origin, and defaults for the rest: `Auto`, certificates checked, 5 s to connect, 30 s idle.
    pub fn new(origin: Uri) -> Self {
        Self {
            origin,
            protocol: Protocol::Auto,
            insecure: false,
            ca: None,
            server_name: None,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            max_idle: 256,
        }
    }
}

/// A target and the connections to it. Clones share both.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    scheme: Scheme,
    authority: Authority,
    connector: Connector,
    pool: Arc<Pool>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({}://{})", self.0.scheme, self.0.authority)
    }
}

impl Upstream {
    /// Makes ready to connect; connects when the first request comes.
    ///
    /// # Errors
    /// See [`SetupError`]; each says what to change.
    pub fn new(options: &UpstreamOptions) -> Result<Self, SetupError> {
        let bad = || SetupError::Origin { origin: options.origin.to_string() };
        let scheme = options.origin.scheme().cloned().ok_or_else(bad)?;
        let authority = options.origin.authority().cloned().ok_or_else(bad)?;
        if (scheme != Scheme::HTTP && scheme != Scheme::HTTPS) || authority.as_str().contains('@') {
            return Err(bad());
        }
        let connector = Connector::new(&scheme, &authority, options)?;
        let pool = Pool::new(options.idle_timeout, options.max_idle);
        Ok(Self(Arc::new(Inner { scheme, authority, connector, pool })))
    }

    /// The origin's `host[:port]`: what `Host` says when it is changed to the origin.
    pub fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// The origin's scheme.
    pub fn scheme(&self) -> &Scheme {
        &self.0.scheme
    }

    /// HTTP/1 connections that wait to be used.
    pub fn idle(&self) -> usize {
        self.0.pool.idle()
    }

    /// How many connections there are, and were.
    pub fn stats(&self) -> &UpstreamStats {
        self.0.pool.stats()
    }

    /// Sends a request and returns the response as soon as its head is there.
    ///
    /// The target's path and query are sent; `Host` as the request has it, else the origin's. Hop-by-hop fields must be
    /// gone already, but for `TE: trailers`, and `Connection` and `Upgrade` of an upgrade. With
    /// `Expect: 100-continue` the body is not touched before the upstream asks for it. A 101 carries the stream for
    /// [`hyper::upgrade::on`].
    ///
    /// Dropping the future or the response's body before its end ends the exchange upstream: the connection is closed
    /// (HTTP/1) or the stream reset (HTTP/2). A body that ends early fails with an [`UpstreamError`], never silently.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub fn send(
        &self,
        mut request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, UpstreamError>> + Send + use<'_> {
        let expectation = Expectation::attach(&mut request);
        let pool = &self.0.pool;
        let idle = if pool.has_http2() { None } else { pool.idle_http1() };
        match idle {
            Some(lease) => Attempt::Usual { upstream: self, exchange: self.over_http1(lease, request, expectation) },
            None => Attempt::Long { rest: self.send_long(request, expectation) },
        }
    }

    /// Whatever else there is to do than to use a connection that is there; boxed, so that who sends stays small.
    fn send_long(
        &self,
        request: Request<Body>,
        expectation: Option<Expectation>,
    ) -> BoxFuture<'_, Result<Response<Body>, UpstreamError>> {
        Box::pin(self.send_somehow(request, expectation))
    }

    async fn send_somehow(
        &self,
        mut request: Request<Body>,
        mut expectation: Option<Expectation>,
    ) -> Result<Response<Body>, UpstreamError> {
        let pool = &self.0.pool;
        // Each round uses up one pooled connection that turned out dead; the last one connects.
        loop {
            if let Some(sender) = pool.shared_http2() {
                match self.over_http2(sender, request, &mut expectation).await {
                    Err((error, Some(back))) if error.is_stale() => {
                        pool.forget_http2();
                        request = back;
                        continue;
                    }
                    other => return other.map_err(|(error, _)| error),
                }
            }
            if let Some(lease) = pool.idle_http1() {
                match self.over_http1(lease, request, expectation).await {
                    Err(Failed { back: Some(back), .. }) => {
                        (request, expectation) = *back;
                        continue;
                    }
                    other => return other.map_err(|failed| failed.error),
                }
            }
            break;
        }
        // Until it is known that HTTP/1 is spoken, one connects and the others wait to share.
        let turn = if pool.may_share(self.0.connector.protocol()) { Some(pool.turn().await) } else { None };
        if turn.is_some()
            && let Some(sender) = pool.shared_http2()
        {
            return self.over_http2(sender, request, &mut expectation).await.map_err(|(error, _)| error);
        }
        match self.0.connector.connect(pool).await? {
            Fresh::Http1(sender) => {
                pool.speaks_http1();
                drop(turn);
                self.over_http1(pool.lease(sender), request, expectation).await.map_err(|failed| failed.error)
            }
            Fresh::Http2(sender) => {
                pool.share_http2(sender.clone());
                drop(turn);
                self.over_http2(sender, request, &mut expectation).await.map_err(|(error, _)| error)
            }
        }
    }

    fn over_http1(
        &self,
        mut lease: Lease,
        mut request: Request<Body>,
        expectation: Option<Expectation>,
    ) -> impl Future<Output = Result<Response<Body>, Failed>> + use<> {
        if request.uri().scheme().is_some() || request.uri().authority().is_some() {
            *request.uri_mut() = origin_form(request.uri());
        }
        *request.version_mut() = Version::HTTP_11;
        if !request.headers().contains_key(header::HOST) {
            // An authority is always a valid value.
            if let Ok(host) = HeaderValue::from_str(self.0.authority.as_str()) {
                request.headers_mut().insert(header::HOST, host);
            }
        }
        lease.sender().try_send_request(request).map(move |answer| match answer {
            Ok(response) => {
                let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                Ok(response.map(|body| Answer::body(body, (!is_upgrade).then_some(lease), expectation)))
            }
            Err(mut error) => {
                let back = error.take_message();
                let was_sent = back.is_none();
                let error = UpstreamError::from_hyper(error.into_error(), was_sent);
                Err(Failed { error, back: back.map(|request| Box::new((request, expectation))) })
            }
        })
    }

    async fn over_http2(
        &self,
        mut sender: pool::Http2,
        mut request: Request<Body>,
        expectation: &mut Option<Expectation>,
    ) -> Result<Response<Body>, (UpstreamError, Option<Request<Body>>)> {
        let authority = request
            .headers_mut()
            .remove(header::HOST)
            .and_then(|host| Authority::from_maybe_shared(host).ok())
            .unwrap_or_else(|| self.0.authority.clone());
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.0.scheme.clone());
        parts.path_and_query =
            Some(request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        parts.authority = Some(authority);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        *request.version_mut() = Version::HTTP_2;
        // There is no waiting for 100 in this client; the body's first poll asks the sender for it.
        request.headers_mut().remove(header::EXPECT);
        if let Some(expectation) = expectation.take() {
            expectation.waive();
        }
        match sender.try_send_request(request).await {
            Ok(response) => Ok(response.map(|body| Answer::body(body, None, None))),
            Err(mut error) => {
                let back = error.take_message();
                let was_sent = back.is_none();
                Err((UpstreamError::from_hyper(error.into_error(), was_sent), back))
            }
        }
    }
}

/// The target as HTTP/1 sends it to an origin.
fn origin_form(uri: &Uri) -> Uri {
    Uri::from(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")))
}

/// May a request of that method be sent twice?
pub fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE)
}
