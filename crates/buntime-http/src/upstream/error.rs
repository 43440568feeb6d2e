//! What can go wrong with an upstream, and what of it a client is told.

use std::{error::Error as StdError, io, path::PathBuf};

use buntime_core::{Error, ErrorKind, error::Retry};

use super::connect::ConnectFailure;
use crate::body::BodyError;

/// Why an upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The origin is not `http(s)://host[:port]`.
    #[error("`{origin}` is not an upstream; write http://host:port or https://host:port")]
    Origin {
        /// What was given.
        origin: String,
    },
    /// The name is none that TLS knows.
    #[error("`{name}` is not a server name for TLS; write a DNS name or an IP address")]
    ServerName {
        /// What was given.
        name: String,
    },
    /// The file of authorities cannot be used.
    #[error("cannot use the authorities in {}: {reason}", .path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The system trusts nobody.
    #[error("this system has no trusted certificate authorities; install ca-certificates, or name a file with `ca`")]
    NoAuthorities,
    /// rustls refuses.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why an exchange with an upstream failed.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(#[from] ConnectFailure),
    /// The upstream closed the connection before the answer, or before the answer was whole.
    #[error("the upstream closed the connection early")]
    Closed {
        /// Had anything of the request been sent?
        was_sent: bool,
        /// What hyper says.
        #[source]
        source: hyper::Error,
    },
    /// The connection or stream was reset.
    #[error("the upstream reset the connection")]
    Reset {
        /// Did the upstream say that it processed nothing (`REFUSED_STREAM`)?
        refused: bool,
        /// What hyper says.
        #[source]
        source: hyper::Error,
    },
    /// What came is not HTTP, or not what was announced.
    #[error("the upstream's answer is not valid HTTP")]
    Protocol(#[source] hyper::Error),
    /// The request's own body failed while it was sent: the client's doing, not the upstream's.
    #[error("the request's body failed")]
    RequestBody(#[source] hyper::Error),
    /// The answer took too long. Never made here; for who waits for [`super::Upstream::send`] with a timer.
    #[error("the upstream took too long to answer")]
    Timeout,
}

impl UpstreamError {
    pub(super) fn from_hyper(source: hyper::Error, was_sent: bool) -> Self {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&source);
        while let Some(error) = cause {
            if error.is::<BodyError>() || error.is::<axum::Error>() {
                return Self::RequestBody(source);
            }
            if let Some(h2) = error.downcast_ref::<h2::Error>()
                && let Some(reason) = h2.reason()
            {
                return match reason {
                    h2::Reason::NO_ERROR | h2::Reason::CANCEL | h2::Reason::INTERNAL_ERROR => {
                        Self::Reset { refused: false, source }
                    }
                    h2::Reason::REFUSED_STREAM => Self::Reset { refused: true, source },
                    _ => Self::Protocol(source),
                };
            }
            if let Some(io) = error.downcast_ref::<io::Error>() {
                match io.kind() {
                    io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                        return Self::Reset { refused: false, source };
                    }
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => return Self::Protocol(source),
                    _ => {}
                }
            }
            cause = error.source();
        }
        if source.is_parse() || source.is_parse_status() {
            return Self::Protocol(source);
        }
        Self::Closed { was_sent, source }
    }

    /// Did a pooled connection turn out dead before anything was sent?
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Closed { was_sent: false, .. } | Self::Reset { .. })
    }

    /// The upstream's error among `error` and its causes, if one is there: what a response's body failed with.
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a UpstreamError> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<UpstreamError>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// May the request be sent again?
    pub fn retry(&self) -> Retry {
        match self {
            Self::Connect(_) | Self::Closed { was_sent: false, .. } | Self::Reset { refused: true, .. } => Retry::Safe,
            Self::Closed { .. } | Self::Reset { .. } | Self::Protocol(_) | Self::Timeout => Retry::Idempotent,
            Self::RequestBody(_) => Retry::Never,
        }
    }
}

impl From<UpstreamError> for Error {
    fn from(error: UpstreamError) -> Self {
        let retry = error.retry();
        let shaped = match &error {
            UpstreamError::Connect(ConnectFailure::Timeout) | UpstreamError::Timeout => {
                Error::new(ErrorKind::UpstreamTimeout)
            }
            UpstreamError::Connect(_) | UpstreamError::Closed { .. } | UpstreamError::Reset { .. } => {
                Error::new(ErrorKind::UpstreamUnreachable)
            }
            UpstreamError::Protocol(_) => Error::new(ErrorKind::UpstreamProtocol),
            UpstreamError::RequestBody(source) => {
                BodyError::find(source).map_or_else(|| Error::new(ErrorKind::ClientClosed), BodyError::to_error)
            }
        };
        shaped.with_retry(retry).with_cause(error)
    }
}
