//! What a hook returns: at once, or later. A hook that is ready at once allocates nothing.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::{cx::Cx, error::BoxError, kind::Kind};

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer of a hook or handler: ready now, or a future of it.
///
/// `Done` arms no timer and allocates nothing. An `Err` is a failure of the hook itself, which its `onError` handles;
/// a deliberate refusal is an outcome.
pub enum Step<'a, T, E = BoxError> {
    /// Ready.
    Done(Result<T, E>),
    /// Not yet.
    Later(BoxFuture<'a, Result<T, E>>),
}

impl<'a, T, E> Step<'a, T, E> {
    /// Ready with that value.
    pub const fn ready(value: T) -> Self {
        Self::Done(Ok(value))
    }

    /// A future of the value.
    pub fn later(future: impl Future<Output = Result<T, E>> + Send + 'a) -> Self {
        Self::Later(Box::pin(future))
    }
}

impl<T, E> Step<'_, T, E> {
    /// Failed at once.
    pub fn failed(error: impl Into<E>) -> Self {
        Self::Done(Err(error.into()))
    }
}

impl<T, E> fmt::Debug for Step<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done(Ok(_)) => "Done(Ok)",
            Self::Done(Err(_)) => "Done(Err)",
            Self::Later(_) => "Later",
        })
    }
}

/// What answers when no hook did: a plugin's router, an upstream service, an app worker, an LLM provider.
pub trait Handler<K: Kind>: Send + Sync + 'static {
    /// Answers. May take the request's body; the head stays for the hooks on the way back.
    fn call<'a>(&'a self, cx: &'a mut Cx<K>) -> Step<'a, K::Response, K::Error>;

    /// Does it keep time itself? Then the exchange's deadline does not apply to it.
    fn keeps_time(&self) -> bool {
        false
    }
}

/// A handler made of a function. See [`handler_fn`].
pub struct HandlerFn<F>(F);

/// A handler made of a function.
pub fn handler_fn<K: Kind, F>(answer: F) -> HandlerFn<F>
where
    F: for<'a> Fn(&'a mut Cx<K>) -> Step<'a, K::Response, K::Error> + Send + Sync + 'static,
{
    HandlerFn(answer)
}

impl<F> fmt::Debug for HandlerFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandlerFn")
    }
}

impl<K, F> Handler<K> for HandlerFn<F>
where
    K: Kind,
    F: for<'a> Fn(&'a mut Cx<K>) -> Step<'a, K::Response, K::Error> + Send + Sync + 'static,
{
    fn call<'a>(&'a self, cx: &'a mut Cx<K>) -> Step<'a, K::Response, K::Error> {
        (self.0)(cx)
    }
}

/// The outcome of a pre hook.
pub enum Pre<K: Kind> {
    /// Go on.
    Continue,
    /// Answer with this; later hooks and the handler are skipped.
    Respond(Box<K::Response>),
    /// Refuse with this error.
    Fail(K::Error),
    /// Skip the other pre hooks and let this handler answer.
    Handle(Arc<dyn Handler<K>>),
}

impl<K: Kind> Pre<K> {
    /// Answer with this.
    pub fn respond(response: K::Response) -> Self {
        Self::Respond(Box::new(response))
    }

    /// Refuse with this error.
    pub fn fail(error: impl Into<K::Error>) -> Self {
        Self::Fail(error.into())
    }
}

impl<K: Kind> fmt::Debug for Pre<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue => f.write_str("Continue"),
            Self::Respond(_) => f.write_str("Respond"),
            Self::Fail(error) => f.debug_tuple("Fail").field(error).finish(),
            Self::Handle(_) => f.write_str("Handle"),
        }
    }
}

/// The outcome of a post hook.
pub enum Post<K: Kind> {
    /// Go on with the response as it now is.
    Continue,
    /// Answer with another response.
    Replace(Box<K::Response>),
    /// Turn the response into an error; the hooks further out get `error`.
    Fail(K::Error),
}

impl<K: Kind> Post<K> {
    /// Turn the response into an error.
    pub fn fail(error: impl Into<K::Error>) -> Self {
        Self::Fail(error.into())
    }
}

impl<K: Kind> fmt::Debug for Post<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue => f.write_str("Continue"),
            Self::Replace(_) => f.write_str("Replace"),
            Self::Fail(error) => f.debug_tuple("Fail").field(error).finish(),
        }
    }
}

/// The outcome of an error hook.
pub enum OnFailure<K: Kind> {
    /// Pass the error on.
    PassOn,
    /// Pass the error on, and let the answer that is made of it carry these headers too.
    AddHeaders(http::HeaderMap),
    /// Pass another error on.
    Replace(K::Error),
    /// Answer with this; the hooks further out get `post`.
    Recover(Box<K::Response>),
    /// Let this handler answer, outside the hook's own time limit.
    Handle(Arc<dyn Handler<K>>),
}

impl<K: Kind> fmt::Debug for OnFailure<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PassOn => f.write_str("PassOn"),
            Self::AddHeaders(headers) => f.debug_tuple("AddHeaders").field(headers).finish(),
            Self::Replace(error) => f.debug_tuple("Replace").field(error).finish(),
            Self::Recover(_) => f.write_str("Recover"),
            Self::Handle(_) => f.write_str("Handle"),
        }
    }
}

/// The outcome of a chunk or message hook. The piece itself is changed in place.
pub enum Flow<K: Kind> {
    /// Go on with the piece as it now is; `None` in its place drops it or holds it back.
    Continue,
    /// End the stream with this error.
    Fail(K::Error),
}

impl<K: Kind> fmt::Debug for Flow<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue => f.write_str("Continue"),
            Self::Fail(error) => f.debug_tuple("Fail").field(error).finish(),
        }
    }
}
