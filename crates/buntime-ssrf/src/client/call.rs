//! What is asked for, and within which limits.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

/// How long, how large, how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first look-up to the last byte of the answer, redirects included. `None`: no limit, for streams.
    pub total: Option<Duration>,
    /// How long nothing may come of an answer's body while somebody waits for it; without `total` also how long its
    /// head may take, redirects included.
    pub stall: Duration,
    /// The most bytes of an answer's body.
    pub response: u64,
    /// How many redirects are followed, [`Limits::MOST_REDIRECTS`] at the most; with 0 the redirect is the answer.
    pub redirects: u8,
}

impl Limits {
    /// More redirects than that are never followed.
    pub const MOST_REDIRECTS: u8 = 5;
}

impl Default for Limits {
    /// 30 s in all, 10 s without progress, 10 MiB, 5 redirects.
    fn default() -> Self {
        Self {
            total: Some(Duration::from_secs(30)),
            stall: Duration::from_secs(10),
            response: 10 << 20,
            redirects: Self::MOST_REDIRECTS,
        }
    }
}

/// One call. Its body is in memory, so that it can be sent again to where a redirect leads.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) limits: Limits,
}

impl Call {
    /// A call without headers and body. The URL is taken as text: it is judged as it is written.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: HeaderMap::new(), body: Bytes::new(), limits: Limits::default() }
    }

    /// A GET.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// A POST with a body.
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, url).body(body)
    }

    /// Adds a header. What belongs to the connection (`Host`, `Connection`, `Content-Length` and so on) is the
    /// client's affair and left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// With that body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Within those limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl From<Request<Bytes>> for Call {
    fn from(request: Request<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            method: parts.method,
            url: parts.uri.to_string(),
            headers: parts.headers,
            body,
            limits: Limits::default(),
        }
    }
}
