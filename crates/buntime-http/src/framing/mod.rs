//! Where each HTTP/1 message begins and ends, judged more strictly than hyper does, before hyper sees a byte.
//!
//! Request smuggling lives on two parsers that disagree. [`Framing`] follows the messages of a connection and refuses
//! every head and chunk that could be read in two ways; [`GuardedIo`] puts it between the socket and hyper, so that
//! hyper only ever sees what was judged. A head that is refused is replaced by a request of our own making; the
//! adapter recognises it and answers with the refusal, in order, in the one error shape.

mod chunked;
mod frames;
mod guarded;
mod head;
mod link;
mod track;

use buntime_core::{Error, ErrorKind};

pub(crate) use guarded::{Acknowledge, GuardedIo};
pub(crate) use head::host_is_valid;
pub(crate) use link::{InFlight, LinkState};

/// What of a connection's limits concerns framing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireLimits {
    pub(crate) max_uri: usize,
    pub(crate) max_header_bytes: usize,
    pub(crate) max_headers: usize,
}

/// Why a message is refused before anything sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400, with words for the client.
    Malformed(&'static str),
    UriTooLong,
    HeadersTooLarge,
    /// The head took too long to arrive.
    HeaderTimeout,
    /// `CONNECT`: this is no forward proxy.
    Connect,
    /// Not HTTP/1.0 or HTTP/1.1.
    Version,
}

impl Refusal {
    pub(crate) fn to_error(self) -> Error {
        match self {
            Self::Malformed(detail) => Error::new(ErrorKind::Malformed).with_detail(detail),
            Self::UriTooLong => Error::new(ErrorKind::UriTooLong),
            Self::HeadersTooLarge => Error::new(ErrorKind::HeadersTooLarge),
            Self::HeaderTimeout => {
                Error::new(ErrorKind::RequestTimeout).with_detail("The request's head took too long to arrive")
            }
            Self::Connect => Error::new(ErrorKind::MethodNotAllowed)
                .with_detail("CONNECT is not supported: this server is no forward proxy")
                .with_header(
                    http::header::ALLOW,
                    http::HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
                ),
            Self::Version => Error::new(ErrorKind::Malformed)
                .with_status(http::StatusCode::HTTP_VERSION_NOT_SUPPORTED)
                .with_detail("This server speaks HTTP versions 1.0, 1.1 and 2"),
        }
    }
}
