//! What a call came to.

use buntime_core::{Error, ErrorKind};
use http::StatusCode;
use serde_json::Value;

/// The code of a request whose call failed.
const CODE: &str = "enrichment_failed";

/// An answer, as a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// `null` where there is none.
    pub(crate) document: Value,
    /// How many bytes it was.
    pub(crate) size: usize,
}

/// Why there is none. Says nothing of where the call led or what it carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It took too long.
    Timeout,
    /// The guard refused the address, or where it redirected.
    Blocked,
    /// No connection, or it broke.
    Unreachable,
    /// It answered with an error.
    Status(StatusCode),
    /// It answered more than is taken.
    TooLarge,
    /// It answered something that is no JSON.
    Nonsense,
    /// A value of the call does not fit where it should go.
    Unsendable,
    /// It failed too often, and is not tried for a while.
    Open,
}

impl Failure {
    /// For figures and the log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Blocked => "blocked",
            Self::Unreachable => "unreachable",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Nonsense => "no_json",
            Self::Unsendable => "unsendable",
            Self::Open => "circuit_open",
        }
    }

    /// May the same call come to something else a moment later?
    pub(crate) fn passes(self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504),
            Self::Timeout | Self::Blocked | Self::TooLarge | Self::Nonsense | Self::Unsendable | Self::Open => false,
        }
    }

    /// Does it say that the API is sick? What a request's own values did does not.
    pub(crate) fn is_of_the_api(self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable | Self::TooLarge | Self::Nonsense => true,
            Self::Status(status) => status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
            Self::Blocked | Self::Unsendable | Self::Open => false,
        }
    }

    /// As the error of the request.
    pub(crate) fn error(self) -> Error {
        let kind = match self {
            Self::Timeout => ErrorKind::UpstreamTimeout,
            Self::Open => {
                return Error::new(ErrorKind::UpstreamUnavailable)
                    .with_code(CODE)
                    .with_detail(DETAIL)
                    .with_retry_after(5);
            }
            Self::Unsendable => ErrorKind::Malformed,
            Self::Blocked | Self::Unreachable | Self::Status(_) | Self::TooLarge | Self::Nonsense => {
                ErrorKind::UpstreamProtocol
            }
        };
        Error::new(kind).with_code(CODE).with_detail(DETAIL).with_internal(self.word())
    }
}

const DETAIL: &str = "What the request needs to know could not be found out";
