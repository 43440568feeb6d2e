//! Queues: putting in, taking out by polling or as a stream, saying how it went, and what became of what failed.

mod dead;
mod listen;
pub(super) mod message;
mod settle;
mod take;
mod unsettled;

use axum::{
    Router,
    routing::{get, post},
};
use buntime_keyval::{DEFAULT_QUEUE, Error, Exceeded, Limits, What};

pub(crate) use self::unsettled::Unsettled;
use super::{Refused, Rest};

pub(super) fn router(at: &str) -> Router<Rest> {
    let at = |path: &str| format!("{at}{path}");
    Router::new()
        .route(&at("/queue/enqueue"), post(message::enqueue))
        .route(&at("/queue/poll"), get(take::poll).post(take::poll))
        .route(&at("/queue/listen"), get(listen::listen))
        .route(&at("/queue/ack"), post(settle::ack))
        .route(&at("/queue/nack"), post(settle::nack))
        .route(&at("/queue/extend"), post(settle::extend))
        .route(&at("/queue/stats"), get(take::stats))
        .route(&at("/queue/dlq"), get(dead::list).delete(dead::purge))
        .route(&at("/queue/dlq/{id}"), get(dead::get).delete(dead::delete))
        .route(&at("/queue/dlq/{id}/requeue"), post(dead::requeue))
}

/// The name of a queue, if it can be one.
fn named(queue: Option<String>) -> Result<String, Refused> {
    let queue = queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
    if queue.is_empty() {
        return Err(Refused::malformed(format!("A queue is named by 1 to {} characters", Limits::NAME)));
    }
    if queue.chars().count() > Limits::NAME {
        return Err(Error::Limit(Exceeded { what: What::Name, most: Limits::NAME }).into());
    }
    Ok(queue)
}
