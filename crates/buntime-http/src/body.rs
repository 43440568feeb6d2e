//! Bodies with limits: in bytes, in time without progress; counting; collecting whole bodies.
//!
//! A limit that is passed ends the body with a [`BodyError`]. It stays recognisable however many libraries wrap it on
//! the way: [`BodyError::find`] looks through the causes.

use std::{
    error::Error as StdError,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use buntime_core::{Error, ErrorKind};
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep};

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed.
    #[error("the body is over its limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Nothing came for too long.
    #[error("the body made no progress for {} ms", .waited.as_millis())]
    Stalled {
        /// How long nothing came.
        waited: Duration,
    },
    /// Who sends it went away, or cut it short.
    #[error("the sender of the body went away")]
    Disconnected(#[source] Box<dyn StdError + Send + Sync>),
    /// Its framing is not HTTP.
    #[error("the body is malformed")]
    Malformed(#[source] Box<dyn StdError + Send + Sync>),
}

impl BodyError {
    /// The body error among `error` and its causes, if one is there.
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a BodyError> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<BodyError>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// What hyper says of a body that came from a connection.
    pub(crate) fn from_hyper(error: hyper::Error) -> Self {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<std::io::Error>()
                && matches!(io.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
            {
                return Self::Malformed(error.into());
            }
            cause = inner.source();
        }
        if error.is_parse() { Self::Malformed(error.into()) } else { Self::Disconnected(error.into()) }
    }

    /// As an error of an exchange whose request body this is.
    pub fn to_error(&self) -> Error {
        match self {
            Self::TooLarge { .. } => Error::new(ErrorKind::PayloadTooLarge),
            Self::Stalled { .. } => {
                Error::new(ErrorKind::RequestTimeout).with_detail("The request body made no progress for too long")
            }
            Self::Disconnected(_) => Error::new(ErrorKind::ClientClosed),
            Self::Malformed(_) => Error::new(ErrorKind::Malformed).with_detail("The request body is malformed"),
        }
    }
}

/// What reading a request's body failed with, as an error of the exchange. A cause that is no [`BodyError`] counts as
/// the client having gone.
pub fn request_body_error(error: axum::Error) -> Error {
    let shaped = BodyError::find(&error).map_or_else(|| Error::new(ErrorKind::ClientClosed), BodyError::to_error);
    shaped.with_cause(error)
}

/// `body`, ended with [`BodyError::TooLarge`] when it passes `limit` bytes. A body that announces more fails at its
/// first poll.
pub fn limited(body: Body, limit: u64) -> Body {
    Body::new(Watched::new(body, Some(limit), None))
}

/// `body`, ended with [`BodyError::Stalled`] when nothing comes for `patience` while somebody waits for it.
pub fn timed(body: Body, patience: Duration) -> Body {
    Body::new(Watched::new(body, None, Some(patience)))
}

/// `body`, its data bytes added to `counter` as they pass.
pub fn counted(body: Body, counter: Arc<AtomicU64>) -> Body {
    Body::new(Counted { inner: body, counter })
}

/// The whole body, up to `limit` bytes.
///
/// # Errors
/// 413 for a body over its limit; what [`request_body_error`] says for one that broke.
pub async fn collect(mut body: Body, limit: u64) -> Result<Bytes, Error> {
    let over = || BodyError::TooLarge { limit }.to_error();
    if body.size_hint().lower() > limit {
        return Err(over());
    }
    let mut first: Option<Bytes> = None;
    let mut whole: Option<BytesMut> = None;
    let mut length = 0u64;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(request_body_error)?.into_data() else { continue };
        length = length.saturating_add(data.len() as u64);
        if length > limit {
            return Err(over());
        }
        // One piece is the usual case and is not copied.
        match (&mut whole, first.take()) {
            (Some(whole), _) => whole.extend_from_slice(&data),
            (None, None) => first = Some(data),
            (None, Some(before)) => {
                let mut joined = BytesMut::with_capacity(before.len() + data.len());
                joined.extend_from_slice(&before);
                joined.extend_from_slice(&data);
                whole = Some(joined);
            }
        }
    }
    Ok(whole.map(BytesMut::freeze).or(first).unwrap_or_default())
}

/// How the errors of a wrapped body become [`BodyError`]s or stay what they are.
pub(crate) trait Blame: Send + Sync + 'static {
    fn blame(self) -> axum::Error;
}

impl Blame for hyper::Error {
    fn blame(self) -> axum::Error {
        axum::Error::new(BodyError::from_hyper(self))
    }
}

impl Blame for axum::Error {
    fn blame(self) -> axum::Error {
        self
    }
}

pin_project_lite::pin_project! {
    /// A body watched for its length and its pace. The timer is made when the body first keeps its reader waiting.
    pub(crate) struct Watched<B> {
        #[pin]
        inner: B,
        limit: Option<u64>,
        seen: u64,
        patience: Option<Duration>,
        timer: Option<Pin<Box<Sleep>>>,
        waiting: bool,
        ended: bool,
    }
}

impl<B: HttpBody> Watched<B> {
    pub(crate) fn new(inner: B, limit: Option<u64>, patience: Option<Duration>) -> Self {
        Self { inner, limit, seen: 0, patience, timer: None, waiting: false, ended: false }
    }
}

impl<B> HttpBody for Watched<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Blame,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let announced = this.inner.size_hint().lower();
        if let Some(limit) = *this.limit
            && this.seen.saturating_add(announced) > limit
        {
            *this.ended = true;
            return Poll::Ready(Some(Err(axum::Error::new(BodyError::TooLarge { limit }))));
        }
        match this.inner.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                *this.waiting = false;
                *this.seen = this.seen.saturating_add(frame.data_ref().map_or(0, |data| data.len() as u64));
                if let Some(limit) = *this.limit
                    && *this.seen > limit
                {
                    *this.ended = true;
                    return Poll::Ready(Some(Err(axum::Error::new(BodyError::TooLarge { limit }))));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                *this.ended = true;
                Poll::Ready(Some(Err(error.blame())))
            }
            Poll::Ready(None) => {
                *this.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let Some(patience) = *this.patience else { return Poll::Pending };
                let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                if !*this.waiting {
                    *this.waiting = true;
                    timer.as_mut().reset(Instant::now() + patience);
                }
                ready!(timer.as_mut().poll(cx));
                *this.ended = true;
                Poll::Ready(Some(Err(axum::Error::new(BodyError::Stalled { waited: patience }))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pin_project_lite::pin_project! {
    struct Counted {
        #[pin]
        inner: Body,
        counter: Arc<AtomicU64>,
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.counter.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn pieces(parts: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(
            parts.iter().map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part.as_bytes()))),
        ))
    }

    #[tokio::test]
    async fn collects_up_to_the_limit() {
        assert_eq!(collect(pieces(&["ab", "cd", "e"]), 5).await.unwrap(), "abcde");
        assert_eq!(collect(Body::empty(), 0).await.unwrap(), "");
        let error = collect(pieces(&["ab", "cd", "e"]), 4).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
        assert_eq!(collect(Body::from("12345"), 4).await.unwrap_err().kind(), ErrorKind::PayloadTooLarge);
    }

    #[tokio::test]
    async fn a_limited_body_ends_with_a_recognisable_error() {
        let error = collect(limited(pieces(&["ab", "cd"]), 3), 100).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_ended() {
        let slow = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let error = collect(timed(slow, Duration::from_secs(5)), 100).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    }

    #[tokio::test]
    async fn counts_what_passes() {
        let counter = Arc::new(AtomicU64::new(0));
        collect(counted(pieces(&["ab", "cde"]), Arc::clone(&counter)), 100).await.unwrap();
        assert_eq!(counter.load(Ordering::Relaxed), 5);
    }
}
