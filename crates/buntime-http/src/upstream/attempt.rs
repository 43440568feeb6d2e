//! The usual case of an exchange, kept small: a connection is there and lives. By hand, because an `async fn` would hold
//! what belongs to every other case as well, and everything twice: kilobytes that are moved for each request.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use futures_util::future::BoxFuture;
use http::{Request, Response};

use super::{Upstream, UpstreamError, expect::Expectation};

/// An exchange that failed over a connection.
pub(super) struct Failed {
    pub(super) error: UpstreamError,
    /// The request, if nothing of it was sent.
    pub(super) back: Option<Box<(Request<Body>, Option<Expectation>)>>,
}

pin_project_lite::pin_project! {
    #[project = Projected]
    pub(super) enum Attempt<'a, F> {
        /// Over a connection that was there.
        Usual {
            upstream: &'a Upstream,
            #[pin]
            exchange: F,
        },
        /// Anything else, or after that connection turned out dead.
        Long { rest: BoxFuture<'a, Result<Response<Body>, UpstreamError>> },
    }
}

impl<F> Future for Attempt<'_, F>
where
    F: Future<Output = Result<Response<Body>, Failed>>,
{
    type Output = Result<Response<Body>, UpstreamError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let (upstream, back) = match self.as_mut().project() {
                Projected::Long { rest } => return rest.as_mut().poll(cx),
                Projected::Usual { upstream, exchange } => match ready!(exchange.poll(cx)) {
                    Ok(response) => return Poll::Ready(Ok(response)),
                    Err(Failed { error, back: None }) => return Poll::Ready(Err(error)),
                    Err(Failed { back: Some(back), .. }) => (*upstream, *back),
                },
            };
            let (request, expectation) = back;
            self.set(Attempt::Long { rest: upstream.send_long(request, expectation) });
        }
    }
}
