//! Answers: protobuf, or an error in plain words, as the protocol has it.

use axum::{
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use buntime_keyval::Error;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use prost::Message;

use super::LARGEST;
use crate::{access::Refusal, body};

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    words: String,
    /// Which error of the store it is, if it is one. Deno does not look at it, a client of ours does.
    code: Option<&'static str>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self { status, words: words.into(), code: None }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::NoToken | Refusal::WrongToken => StatusCode::UNAUTHORIZED,
            Refusal::NotLocal => StatusCode::FORBIDDEN,
        };
        Self::new(status, refusal.words())
    }
}

/// Deno's clients try again for ever what is answered with a 5xx, so these are only for what passes without them: the
/// store cannot be reached, or no space is left. A full namespace stays so; what may have happened must not happen twice;
/// and what the store failed at it fails at again, whosever fault it is.
impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Limit(_) | Error::TooBig => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Quota(_) | Error::Uncertain => StatusCode::CONFLICT,
            Error::Full => StatusCode::INSUFFICIENT_STORAGE,
            Error::Unavailable(_) | Error::Closed => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        if let Error::Database(detail) | Error::Unavailable(detail) = &error {
            tracing::error!(%detail, "the store failed");
        }
        Self { code: Some(error.code()), ..Self::new(status, error.to_string()) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.words).into_response();
        if let Some(code) = self.code {
            response.headers_mut().insert(HeaderName::from_static(Error::HEADER), HeaderValue::from_static(code));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A message as the body.
pub(super) fn protobuf(message: Bytes) -> Response {
    const TYPE: HeaderValue = HeaderValue::from_static("application/x-protobuf");
    ([(header::CONTENT_TYPE, TYPE)], message).into_response()
}

/// The whole body.
#[derive(Debug)]
pub(super) struct Whole(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        body::whole(request.into_body(), LARGEST).await.map(Self).map_err(|over| match over {
            Some(over) => Error::Limit(over).into(),
            None => Refused::new(StatusCode::BAD_REQUEST, "The body could not be read"),
        })
    }
}

/// A message out of a body.
pub(super) fn read<M: Message + Default>(body: &[u8]) -> Result<M, Refused> {
    M::decode(body).map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "The body is not the message that belongs here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_asked_for_again() {
        let status = |error: Error| Refused::from(error).status.as_u16();
        assert_eq!(
            [status(Error::Full), status(Error::Unavailable("".into())), status(Error::Closed)],
            [507, 503, 503]
        );
        assert_eq!([status(Error::Quota("".into())), status(Error::Uncertain), status(Error::TooBig)], [409, 409, 413]);
        assert_eq!([status(Error::Database("".into())), status(Error::SumOutOfRange)], [400, 400]);
    }
}
