//! WebSockets: the upstream's handshake first, then the client's answer, then a relay of what both send.
//!
//! The client is answered with what the upstream answered, so the key, the subprotocol and the extensions are agreed
//! on between the two ends. What a client sends too early stays in its connection until the relay reads it.
//!
//! What is absent on purpose: WebSockets over HTTP/2 (RFC 8441), compression of our own.

mod frames;
mod goodbye;
mod messages;
mod relay;

use std::sync::Arc;

use buntime_core::{Cx, Error, ErrorKind, Http, HttpResponse, Stage, Tail, Upgrade};
use buntime_http::{
    hygiene::{add_via, asks_for_upgrade, remove_hop_by_hop},
    server::ConnectionInfo,
};
use http::{HeaderMap, Method, StatusCode, Version, header, request, uri::PathAndQuery};
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;

use super::{Destination, ForwardOptions, answer, request::prepare};
use crate::cluster::Occupied;

/// Does this request ask for a WebSocket?
pub fn is_asked_for(head: &request::Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && names_websocket(&head.headers)
        && asks_for_upgrade(&head.headers)
}

fn names_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Asks the upstream, and answers with what it says: a 101 whose connection is relayed, or a refusal as it is.
pub(super) async fn open<D: Destination>(
    options: &ForwardOptions,
    destination: &D,
    cx: &mut Cx<Http>,
    path: PathAndQuery,
) -> Result<HttpResponse, Error> {
    let Some(client) = cx.request_mut().extensions.remove::<OnUpgrade>() else {
        let what = "This connection cannot be upgraded to a WebSocket";
        return Err(Error::new(ErrorKind::Malformed).with_detail(what));
    };
    let stopping = stopping(options, cx);
    let mut request = prepare(options, cx, path, true);
    let shown = cx.stages().has(Stage::Message);
    if shown {
        // Messages that are looked at must be readable.
        request.headers_mut().remove(header::SEC_WEBSOCKET_EXTENSIONS);
    }
    let outgoing = options.outgoing(destination, cx, request, true);
    let mut response = destination.send(outgoing).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer::shape(response, options.idle_timeout));
    }
    let broken = |what| Err(Error::new(ErrorKind::UpstreamProtocol).with_internal(what));
    if !names_websocket(response.headers()) {
        return broken("the upstream switched to another protocol");
    }
    if shown && response.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return broken("the upstream uses an extension that was not offered");
    }
    let upstream = hyper::upgrade::on(&mut response);
    let (mut head, body) = response.into_parts();
    // Its place at the target is taken until the conversation ends.
    let place = head.extensions.remove::<Occupied>();
    remove_hop_by_hop(&mut head.headers, true);
    add_via(&mut head.headers, head.version);
    head.version = Version::HTTP_11;
    let (idle, limit) = (options.idle_timeout, options.max_message);
    head.extensions.insert(Upgrade::new(move |tail: Tail<Http>| async move {
        let _place = place;
        let both = futures_util::future::try_join(client, upstream).await;
        let (client, upstream) = match both {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "a WebSocket's upgrade did not come about");
                drop(tail);
                return;
            }
        };
        if shown {
            messages::relay(client, upstream, tail, messages::Bounds { idle, limit, stopping }).await;
        } else {
            relay::relay(client, upstream, tail, idle, &stopping).await;
        }
    }));
    Ok(HttpResponse { head, body })
}

/// When to say goodbye: when the listener stops, or, where nobody says which that is, when who forwards does.
fn stopping(options: &ForwardOptions, cx: &Cx<Http>) -> CancellationToken {
    let connection = cx.request().extensions.get::<Arc<ConnectionInfo>>();
    connection.map_or(&options.stopping, |connection| connection.stopping()).clone()
}
