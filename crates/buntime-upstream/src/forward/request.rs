//! The upstream's request: the client's, with what belongs to one connection taken out and what a proxy owes put in.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo};
use buntime_core::{Cx, Http, Stage, Stages, problem::X_REQUEST_ID};
use buntime_http::{
    client_address::ClientAddress,
    hygiene::{add_forwarding, add_via, end_to_end, remove_forwarding, remove_hop_by_hop},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri, Version, header,
    uri::{PathAndQuery, Scheme},
};

use super::ForwardOptions;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Fields that a proxy adds, at most: those of forwarding, `Via`, the request id, `traceparent`, `Host`.
const ADDED: usize = 9;

/// An upstream's request.
pub(super) struct Made {
    pub(super) request: Request<Body>,
    pub(super) way: Way,
    /// The client's fields are where they were, so that the request's can be made of them once more.
    pub(super) is_kept: bool,
}

/// What is told of a request's way.
pub(super) struct Way {
    client: Option<ClientAddress>,
    has_edge: bool,
}

/// What a request's header fields are made of.
#[derive(Debug)]
pub struct Fields<'a> {
    options: &'a ForwardOptions,
    fields: &'a HeaderMap,
    version: Version,
    request_id: &'a HeaderValue,
    client: Option<ClientAddress>,
    has_edge: bool,
}

impl Way {
    /// The fields of a request that goes this way and asks for no upgrade.
    pub(super) fn fields<'a>(self, options: &'a ForwardOptions, cx: &'a Cx<Http>) -> Fields<'a> {
        let (head, request_id) = (cx.request(), &cx.meta().request_id);
        let (client, has_edge) = (self.client, self.has_edge);
        Fields { options, fields: &head.headers, version: head.version, request_id, client, has_edge }
    }
}

impl Fields<'_> {
    /// Makes them.
    pub fn make(&self) -> HeaderMap {
        let Self { options, version, request_id, .. } = *self;
        let way = (self.client.as_ref(), self.has_edge);
        complete(options, copied(options, self.fields, false), way, version, request_id)
    }
}

/// Makes it. Takes the body, and the head's fields where no hook can look at them any more and they are needed only
/// once.
pub(super) fn prepare(
    options: &ForwardOptions,
    cx: &mut Cx<Http>,
    path: PathAndQuery,
    upgrade: bool,
    may_repeat: bool,
) -> Made {
    let mut request = Request::new(cx.take_body());
    let way = Way { client: client_of(cx), has_edge: has_edge(cx) };
    let is_kept = may_repeat || is_looked_at_later(cx.stages());
    let headers = if is_kept {
        copied(options, &cx.request().headers, upgrade)
    } else {
        let mut headers = std::mem::take(&mut cx.request_mut().headers);
        remove_hop_by_hop(&mut headers, upgrade);
        headers
    };
    let head = cx.request();
    let told = (way.client.as_ref(), way.has_edge);
    *request.headers_mut() = complete(options, headers, told, head.version, &cx.meta().request_id);
    request.method_mut().clone_from(&head.method);
    *request.uri_mut() = Uri::from(path);
    Made { request, way, is_kept }
}

/// What of the client's fields goes on, and room for what is added.
fn copied(options: &ForwardOptions, fields: &HeaderMap, upgrade: bool) -> HeaderMap {
    end_to_end(fields, upgrade, ADDED + options.set.len())
}

/// Puts in what a proxy owes, and what the options say.
fn complete(
    options: &ForwardOptions,
    mut headers: HeaderMap,
    (client, has_edge): (Option<&ClientAddress>, bool),
    version: Version,
    request_id: &HeaderValue,
) -> HeaderMap {
    if !has_edge {
        remove_forwarding(&mut headers);
    }
    if let Some(client) = client {
        add_forwarding(&mut headers, client);
    }
    add_via(&mut headers, version);
    headers.insert(X_REQUEST_ID, request_id.clone());
    for name in &options.remove {
        headers.remove(name);
    }
    for (name, value) in &options.set {
        headers.insert(name.clone(), value.clone());
    }
    headers
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
