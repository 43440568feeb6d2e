//! Why a call failed.

use std::sync::Arc;

use buntime_core::{Error, ErrorKind, Retry};
use buntime_http::{
    body::BodyError,
    upstream::{SetupError, UpstreamError},
};

use crate::refused::Refused;

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The guard says no to the URL of the call.
    #[error("the call is refused: {0}")]
    Refused(#[from] Refused),
    /// The guard says no to where an answer redirects.
    #[error("a redirect is refused: {0}")]
    Redirect(Refused),
    /// More redirects than allowed.
    #[error("more than {0} redirects")]
    TooManyRedirects(u8),
    /// A method that no such call has.
    #[error("the method {0} is not sent")]
    Method(http::Method),
    /// The connection or the exchange failed.
    #[error(transparent)]
    Exchange(#[from] UpstreamError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// It took too long in all.
    #[error("the call took too long")]
    Timeout,
    /// The answer is larger than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
    /// The answer's body broke off or stood still.
    #[error("the answer's body failed")]
    Body(#[source] Arc<axum::Error>),
}

impl CallError {
    /// What a body of an answer failed with.
    pub(crate) fn of_body(error: axum::Error) -> Self {
        if super::deadline::Overdue::is_in(&error) {
            return Self::Timeout;
        }
        match BodyError::find(&error) {
            Some(BodyError::TooLarge { limit }) => Self::TooLarge(*limit),
            Some(BodyError::Stalled { .. }) => Self::Timeout,
            Some(BodyError::Disconnected(_) | BodyError::Malformed(_)) | None => Self::Body(Arc::new(error)),
        }
    }

    /// Why the guard refused, if it did.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) | Self::Redirect(refused) => Some(refused),
            _ => None,
        }
    }
}

/// As an error of the exchange that needed the call. A client is told that it failed, never where it led.
impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Exchange(error) => error.into(),
            CallError::Timeout => Self::new(ErrorKind::UpstreamTimeout).with_retry(Retry::Idempotent),
            CallError::Refused(_) | CallError::Redirect(_) => Self::new(ErrorKind::UpstreamUnreachable)
                .with_code("outbound_blocked")
                .with_detail("The address to call is not allowed")
                .with_cause(error),
            CallError::TooManyRedirects(_) | CallError::TooLarge(_) | CallError::Body(_) => {
                Self::new(ErrorKind::UpstreamProtocol).with_cause(error)
            }
            CallError::Method(_) | CallError::Setup(_) => Self::internal(error),
        }
    }
}
