//! The HTTP kind of exchange: requests and responses with streamed bodies, WebSocket messages, upgrades.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, request, response};
use http_body::Body as _;

use crate::{
    chain::Chain,
    cx::Cx,
    error::{Error, ErrorKind},
    exec::tail::Tail,
    kind::{Carrier, Head, Kind},
    options::FixedResponse,
    step::BoxFuture,
};

/// HTTP: what comes in by the listener.
#[derive(Clone, Copy, Debug)]
pub enum Http {}

/// A request: head and body.
#[derive(Debug)]
pub struct HttpRequest {
    /// Method, target, version, headers.
    pub head: request::Parts,
    /// Its body; empty once taken.
    pub body: Body,
}

/// A response: head and body.
#[derive(Debug)]
pub struct HttpResponse {
    /// Status, version, headers.
    pub head: response::Parts,
    /// Its body.
    pub body: Body,
}

/// A message of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WsMessage {
    /// Text; always valid UTF-8.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl From<Request<Body>> for HttpRequest {
    fn from(request: Request<Body>) -> Self {
        let (head, body) = request.into_parts();
        Self { head, body }
    }
}

impl From<HttpRequest> for Request<Body> {
    fn from(request: HttpRequest) -> Self {
        Self::from_parts(request.head, request.body)
    }
}

impl From<Response<Body>> for HttpResponse {
    fn from(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        Self { head, body }
    }
}

impl From<HttpResponse> for Response<Body> {
    fn from(response: HttpResponse) -> Self {
        Self::from_parts(response.head, response.body)
    }
}

impl Head for request::Parts {
    fn merge(&mut self, base: &Self, changed: Self) {
        if changed.method != base.method {
            self.method = changed.method;
        }
        if changed.uri != base.uri {
            self.uri = changed.uri;
        }
        merge_headers(&mut self.headers, &base.headers, &changed.headers);
    }
}

impl Head for response::Parts {
    fn merge(&mut self, base: &Self, changed: Self) {
        if changed.status != base.status {
            self.status = changed.status;
        }
        merge_headers(&mut self.headers, &base.headers, &changed.headers);
    }
}

/// A removed header is gone, a replaced one is replaced, added values are appended.
fn merge_headers(into: &mut HeaderMap, base: &HeaderMap, changed: &HeaderMap) {
    for name in base.keys().filter(|name| !changed.contains_key(*name)) {
        into.remove(name);
    }
    for name in changed.keys() {
        let before = base.get_all(name).iter().count();
        let same = changed.get_all(name).iter().take(before).eq(base.get_all(name).iter());
        if !same {
            into.remove(name);
        }
        for value in changed.get_all(name).iter().skip(if same { before } else { 0 }) {
            into.append(name.clone(), value.clone());
        }
    }
}

impl Carrier for HttpRequest {
    type Head = request::Parts;

    fn head(&self) -> &request::Parts {
        &self.head
    }

    fn head_mut(&mut self) -> &mut request::Parts {
        &mut self.head
    }

    fn fork(&mut self, with_body: bool) -> Self {
        let body = if with_body { std::mem::take(&mut self.body) } else { Body::empty() };
        Self { head: self.head.clone(), body }
    }

    fn take_body_from(&mut self, other: Self) {
        self.body = other.body;
    }

    fn copy(&self) -> Option<Self> {
        let empty = self.body.is_end_stream();
        empty.then(|| Self { head: self.head.clone(), body: Body::empty() })
    }
}

impl Carrier for HttpResponse {
    type Head = response::Parts;

    fn head(&self) -> &response::Parts {
        &self.head
    }

    fn head_mut(&mut self) -> &mut response::Parts {
        &mut self.head
    }

    fn fork(&mut self, with_body: bool) -> Self {
        let body = if with_body { std::mem::take(&mut self.body) } else { Body::empty() };
        Self { head: self.head.clone(), body }
    }

    fn take_body_from(&mut self, other: Self) {
        self.body = other.body;
    }

    fn copy(&self) -> Option<Self> {
        None
    }
}

impl Kind for Http {
    const NAME: &'static str = "http";

    type Request = HttpRequest;
    type Response = HttpResponse;
    type Chunk = Bytes;
    type Message = WsMessage;
    type Error = Error;

    fn fixed(fixed: &FixedResponse) -> HttpResponse {
        let mut response = Response::new(Body::from(fixed.body.clone()));
        *response.status_mut() = StatusCode::from_u16(fixed.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        for (name, value) in &fixed.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        if !fixed.body.is_empty() && !response.headers().contains_key(header::CONTENT_TYPE) {
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, plain);
        }
        response.into()
    }

    fn status(response: &HttpResponse) -> u16 {
        response.head.status.as_u16()
    }

    fn falls_back(error: &Error) -> bool {
        matches!(
            error.kind(),
            ErrorKind::UpstreamUnreachable
                | ErrorKind::UpstreamProtocol
                | ErrorKind::UpstreamUnavailable
                | ErrorKind::UpstreamTimeout
                | ErrorKind::OverCapacity
        )
    }
}

impl Cx<Http> {
    /// Takes the request's body. A hook that does this cannot be undone.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(&mut self.whole_request_mut().body)
    }

    /// Sends another request through the sets behind this one and to the handler, once this hook has ended its exchange,
    /// in a task of its own that shutdown waits for: how something that was served is fetched anew. What comes of it is
    /// given to `then`; an error as the answer that is made of it. Nothing happens when the hook lets the exchange go on,
    /// or runs in a parallel batch.
    pub fn afterwards<F>(&mut self, request: HttpRequest, then: impl FnOnce(Response<Body>) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let run = move |chain: Arc<Chain<Http>>, cx: Self| {
            let (rest, request_id) = (chain.clone(), cx.meta.request_id.clone());
            chain.spawn(async move {
                let answer = rest.run_in(cx).await;
                then(Chain::answered(answer, request_id)).await;
            });
        };
        self.afterwards = Some(Box::new((request, Box::new(run))));
    }

    /// Gives the request another body.
    pub fn set_body(&mut self, body: Body) {
        self.whole_request_mut().body = body;
    }
}

/// What a handler leaves in a 101's extensions: told when the head is on its way, it relays the upgraded connection.
/// It owns the rest of the exchange and says by [`Tail::finish`] how it ended.
#[derive(Clone)]
pub struct Upgrade(Arc<Mutex<Option<Relay>>>);

type Relay = Box<dyn FnOnce(Tail<Http>) -> BoxFuture<'static, ()> + Send>;

impl Upgrade {
    /// A relay.
    pub fn new<F>(relay: impl FnOnce(Tail<Http>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(Mutex::new(Some(Box::new(move |tail| Box::pin(relay(tail)))))))
    }

    pub(crate) fn take(&self) -> Option<Relay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgrade")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_headers_are_appended_replaced_and_removed() {
        let map = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(*name, HeaderValue::from_static(value));
            }
            map
        };
        let base = map(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let mut into = base.clone();
        merge_headers(&mut into, &base, &map(&[("a", "1"), ("a", "2"), ("b", "9")]));
        merge_headers(&mut into, &base, &map(&[("a", "1"), ("a", "3"), ("b", "1"), ("c", "1"), ("d", "4")]));
        let all = |name| into.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!((all("a"), all("b"), all("c"), all("d")), (vec!["1", "2", "3"], vec!["9"], vec![], vec!["4"]));
    }
}
