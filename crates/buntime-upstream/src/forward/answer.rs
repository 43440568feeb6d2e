//! The client's answer: the upstream's, with what belongs to one connection taken out.

use std::time::Duration;

use axum::body::Body;
use buntime_core::HttpResponse;
use buntime_http::{
    body::timed,
    hygiene::{add_via, remove_hop_by_hop},
};
use http::{Response, Version};

/// Makes it. `idle`: how long the body may bring nothing.
pub(super) fn shape(response: Response<Body>, idle: Option<Duration>) -> HttpResponse {
    let (mut head, mut body) = response.into_parts();
    // What goes makes room for what comes.
    remove_hop_by_hop(&mut head.headers, false);
    add_via(&mut head.headers, head.version);
    // Ours to the client, not the upstream's: an old one must not make the client's connection close.
    head.version = Version::HTTP_11;
    if let Some(idle) = idle {
        body = timed(body, idle);
    }
    HttpResponse { head, body }
}
