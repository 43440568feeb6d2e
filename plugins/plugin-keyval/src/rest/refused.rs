//! Whatever goes wrong, as HTTP has it: the one place that knows which status an error of the store is.

use axum::response::{IntoResponse, Response};
use buntime_core::{Error, ErrorKind};
use buntime_keyval::Error as Kv;
use http::{HeaderName, HeaderValue};

use crate::access::Refusal;

/// Where clients read which error of the store it is, or which of the few that a store has not.
const CODE: HeaderName = HeaderName::from_static(Kv::HEADER);

/// Why a request is not answered.
#[derive(Debug)]
pub(crate) struct Refused(Error);

impl Refused {
    pub(super) fn new(kind: ErrorKind, words: impl Into<String>) -> Self {
        Self(Error::new(kind).with_detail(words.into()))
    }

    pub(super) fn malformed(words: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, words)
    }

    /// The same with a name for programs.
    pub(super) fn called(self, code: &'static str) -> Self {
        Self(self.0.with_header(CODE, HeaderValue::from_static(code)))
    }

    /// In the words that the original has for it.
    pub(super) fn no_key() -> Self {
        Self::new(ErrorKind::NotFound, "Key not found")
    }

    /// Its words, for where they are part of others.
    pub(super) fn words(&self) -> &str {
        self.0.detail()
    }

    /// The same in other words.
    pub(super) fn with_words(self, other: impl FnOnce(&str) -> String) -> Self {
        let words = other(self.words());
        Self(self.0.with_detail(words))
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::NoToken | Refusal::WrongToken => ErrorKind::Unauthorized,
            Refusal::NotLocal => ErrorKind::Forbidden,
        };
        Self::new(kind, refusal.words())
    }
}

impl From<Kv> for Refused {
    fn from(error: Kv) -> Self {
        let kind = match &error {
            Kv::Limit(_) | Kv::TooBig => ErrorKind::PayloadTooLarge,
            Kv::Full | Kv::Quota(_) => ErrorKind::InsufficientStorage,
            Kv::Unavailable(_) => ErrorKind::OverCapacity,
            Kv::Closed => ErrorKind::ShuttingDown,
            Kv::Unique(_) | Kv::Building(_) => ErrorKind::Conflict,
            Kv::NoIndex(_) => ErrorKind::NotFound,
            Kv::Database(_) | Kv::Uncertain => ErrorKind::Internal,
            _ => ErrorKind::Malformed,
        };
        let refused = Self::new(kind, error.to_string()).called(error.code());
        match error {
            Kv::Database(detail) | Kv::Unavailable(detail) => {
                tracing::error!(%detail, "the store failed");
                Self(refused.0.with_internal(detail))
            }
            _ => refused,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

pub(super) async fn nothing_here() -> Refused {
    Refused::new(ErrorKind::NotFound, "There is no such route; GET /api/openapi.json lists them")
}

pub(super) async fn another_method() -> Refused {
    Refused::new(ErrorKind::MethodNotAllowed, "This route takes other methods")
}
