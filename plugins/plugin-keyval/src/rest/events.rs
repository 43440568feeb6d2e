//! Streams of server-sent events: so many at a time, with signs of life, until the client leaves or the plugin stops.

use std::convert::Infallible;

use axum::response::{IntoResponse, Response, Sse, sse::Event};
use buntime_core::{Error, ErrorKind};
use futures_util::stream;
use http::{HeaderValue, header};
use tokio::sync::OwnedSemaphorePermit;

use super::Refused;
use crate::face::Face;

/// A place among the streams.
pub(super) type Place = OwnedSemaphorePermit;

/// A place for one more.
pub(super) fn place(face: &Face) -> Result<Place, Refused> {
    places(face, 1)
}

/// Places for so many more, all or none.
pub(super) fn places(face: &Face, wanted: usize) -> Result<Place, Refused> {
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    face.watches.clone().try_acquire_many_owned(wanted).map_err(|_| {
        let words = "Too many watches are open; close one, or raise maxWatches";
        Error::new(ErrorKind::OverCapacity).with_detail(words).with_retry_after(5).into()
    })
}

/// What makes a stream.
pub(super) trait Live: Send + 'static {
    /// What comes next; `None`: that was all.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

pub(super) fn response(live: impl Live) -> Response {
    let events = stream::unfold(live, |mut live| async move {
        let event = live.next().await?;
        Some((Ok::<_, Infallible>(event), live))
    });
    let mut response = Sse::new(events).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    // Proxies that buffer would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A sign of life.
pub(super) fn ping() -> Event {
    Event::default().event("ping").data("")
}
