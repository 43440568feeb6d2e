//! Why a rule cannot do what it says, and what its exchange fails with then.

use buntime_core::{Error, ErrorKind};
use http::{HeaderValue, header};

/// The code of an exchange that failed for a rule.
pub(crate) const CODE: &str = "transform_failed";

/// Why a rule cannot be applied. Texts repeat nothing of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The body is packed.
    Encoded,
    /// The body is longer than what is kept.
    TooLarge(u64),
    /// The body is not what it says it is, or a value fits nowhere.
    Other(String),
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

impl Failure {
    /// For the log.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Encoded => "the body has a Content-Encoding".to_owned(),
            Self::TooLarge(limit) => format!("the body is longer than {limit} bytes"),
            Self::Other(why) => why.clone(),
        }
    }

    /// As the error of its exchange. What is wrong with a response is the upstream's affair, and is not told.
    pub(crate) fn error(&self, side: Side) -> Error {
        if side == Side::Response {
            let error = Error::new(ErrorKind::UpstreamProtocol).with_code(CODE).with_internal(self.text());
            return error.with_detail("The upstream's answer cannot be transformed");
        }
        match self {
            Self::Encoded => Error::new(ErrorKind::UnsupportedMediaType)
                .with_detail("A body with a Content-Encoding is not taken here")
                .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            Self::TooLarge(limit) => {
                Error::new(ErrorKind::PayloadTooLarge).with_detail(format!("A body takes at most {limit} bytes here"))
            }
            Self::Other(why) => Error::new(ErrorKind::Malformed)
                .with_code(CODE)
                .with_detail(format!("The request cannot be transformed: {why}")),
        }
    }
}
