//! The handler: one request to the upstream and its answer back, both streamed.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo};
use buntime_core::{Cx, Error, ErrorKind, Handler, Http, HttpResponse, Step, problem::X_REQUEST_ID};
use buntime_http::{
    body::timed,
    client_address::ClientAddress,
    hygiene::{add_forwarding, add_via, remove_forwarding, remove_hop_by_hop},
    upstream::{Upstream, UpstreamError},
};
use http::{HeaderName, Request, Response, StatusCode, Version, header, uri::Scheme};

use crate::{html::Edits, rule::Rule, websocket};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Handler<Http> for Rule {
    fn call<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, HttpResponse, Error> {
        if self.takes_sockets() && websocket::is_asked_for(cx.request()) {
            return Step::later(websocket::open(self, cx));
        }
        Step::later(self.forward(cx))
    }

    fn keeps_time(&self) -> bool {
        self.timeout.is_some()
    }
}

impl Rule {
    async fn forward(&self, cx: &mut Cx<Http>) -> Result<HttpResponse, Error> {
        let request = self.request(cx, false)?;
        let response = self.send(&self.upstream, request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let what = "the upstream switched protocols without being asked";
            return Err(Error::new(ErrorKind::UpstreamProtocol).with_internal(what));
        }
        Ok(self.answer(cx, response))
    }

    /// The upstream's request: the client's, with what belongs to one connection taken out and what a proxy owes put
    /// in. Takes the body.
    pub(crate) fn request(&self, cx: &mut Cx<Http>, upgrade: bool) -> Result<Request<Body>, Error> {
        let body = cx.take_body();
        let head = cx.request();
        let uri = self.upstream_uri(&head.uri).ok_or_else(|| {
            Error::new(ErrorKind::Malformed)
                .with_detail("The path cannot be rewritten to one the upstream may be asked for")
        })?;
        let mut headers = head.headers.clone();
        remove_hop_by_hop(&mut headers, upgrade);
        if !has_edge(cx) {
            remove_forwarding(&mut headers);
        }
        if let Some(client) = client_of(cx) {
            add_forwarding(&mut headers, &client);
        }
        add_via(&mut headers, head.version);
        headers.insert(X_REQUEST_ID, cx.meta().request_id.clone());
        if self.settings().change_origin {
            headers.insert(header::HOST, self.draft.target.host.clone());
            if headers.contains_key(header::ORIGIN) {
                headers.insert(header::ORIGIN, self.draft.target.origin_header.clone());
            }
        }
        if self.draft.html.is_some() {
            Edits::prepare(&mut headers);
        }
        for (name, value) in &self.draft.headers {
            headers.insert(name.clone(), value.clone());
        }
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Sends it and waits for the answer's head, as long as the rule allows.
    pub(crate) async fn send(&self, upstream: &Upstream, request: Request<Body>) -> Result<Response<Body>, Error> {
        let sending = upstream.send(request);
        let sent = match self.timeout {
            Some(limit) => tokio::time::timeout(limit, sending).await.unwrap_or(Err(UpstreamError::Timeout)),
            None => sending.await,
        };
        self.attempts.note(&sent);
        sent.map_err(|error| Error::from(error).with_internal(format!("rule `{}`", self.name())))
    }

    /// The client's answer.
    pub(crate) fn answer(&self, cx: &Cx<Http>, response: Response<Body>) -> HttpResponse {
        let (mut head, mut body) = response.into_parts();
        add_via(&mut head.headers, head.version);
        remove_hop_by_hop(&mut head.headers, false);
        // Ours to the client, not the upstream's: an old one must not make the client's connection close.
        head.version = Version::HTTP_11;
        if let Some(idle) = self.idle_timeout {
            body = timed(body, idle);
        }
        if let Some(edits) = &self.draft.html {
            body = edits.apply(&cx.request().method, &mut head, body);
        }
        HttpResponse { head, body }
    }
}

/// Who asks, as the edge found out. `None` where there is no edge and nobody says who is connected.
fn client_of(cx: &Cx<Http>) -> Option<ClientAddress> {
    let (meta, head) = (cx.meta(), cx.request());
    let peer = if has_edge(cx) { meta.peer } else { head.extensions.get::<ConnectInfo<SocketAddr>>()?.0 };
    // Still there, it came from a trusted proxy that says what the client asked it for.
    let host = head.headers.get(X_FORWARDED_HOST).filter(|_| has_edge(cx)).or_else(|| head.headers.get(header::HOST));
    Some(ClientAddress {
        ip: meta.client_ip,
        peer,
        scheme: if meta.scheme == "https" { Scheme::HTTPS } else { Scheme::HTTP },
        host: host.cloned(),
        forwarded: false,
        peer_is_trusted: false,
    })
}

/// Has an edge looked at this request, and taken away what was forged?
fn has_edge(cx: &Cx<Http>) -> bool {
    !cx.meta().peer.ip().is_unspecified()
}
