//! The upstream's request: the client's, with what belongs to one connection taken out and what a proxy owes put in.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo};
use buntime_core::{Cx, Http, Stage, Stages, problem::X_REQUEST_ID};
use buntime_http::{
    client_address::ClientAddress,
    hygiene::{add_forwarding, add_via, end_to_end, remove_forwarding, remove_hop_by_hop},
};
use http::{
    HeaderName, Request, Uri, header,
    uri::{PathAndQuery, Scheme},
};

use super::ForwardOptions;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Fields that a proxy adds, at most: those of forwarding, `Via`, the request id, `traceparent`, `Host`.
const ADDED: usize = 9;

/// Makes it. Takes the body, and the head's fields where no hook can look at them any more.
pub(super) fn prepare(options: &ForwardOptions, cx: &mut Cx<Http>, path: PathAndQuery, upgrade: bool) -> Request<Body> {
    let mut request = Request::new(cx.take_body());
    let client = client_of(cx);
    let has_edge = has_edge(cx);
    let mut headers = if is_looked_at_later(cx.stages()) {
        end_to_end(&cx.request().headers, upgrade, ADDED + options.set.len())
    } else {
        let mut headers = std::mem::take(&mut cx.request_mut().headers);
        remove_hop_by_hop(&mut headers, upgrade);
        headers
    };
    if !has_edge {
        remove_forwarding(&mut headers);
    }
    if let Some(client) = client {
        add_forwarding(&mut headers, &client);
    }
    let head = cx.request();
    add_via(&mut headers, head.version);
    headers.insert(X_REQUEST_ID, cx.meta().request_id.clone());
    for name in &options.remove {
        headers.remove(name);
    }
    for (name, value) in &options.set {
        headers.insert(name.clone(), value.clone());
    }
    request.method_mut().clone_from(&head.method);
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = headers;
    request
}

/// May a hook still look at the request's head?
fn is_looked_at_later(stages: Stages) -> bool {
    [Stage::Post, Stage::Error, Stage::Chunk, Stage::Message, Stage::Complete].iter().any(|stage| stages.has(*stage))
}

/// Who asks, as the edge found out. `None` where there is no edge and nobody says who is connected.
fn client_of(cx: &Cx<Http>) -> Option<ClientAddress> {
    let (meta, head) = (cx.meta(), cx.request());
    let has_edge = has_edge(cx);
    let peer = if has_edge { meta.peer } else { head.extensions.get::<ConnectInfo<SocketAddr>>()?.0 };
    // Still there, it came from a trusted proxy that says what the client asked it for.
    let host = head.headers.get(X_FORWARDED_HOST).filter(|_| has_edge).or_else(|| head.headers.get(header::HOST));
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
