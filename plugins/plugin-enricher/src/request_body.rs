//! The request's body: read where a call looks into it, given on byte for byte where none changed it.

use std::time::Duration;

use axum::body::Body;
use buntime_content::Format;
use buntime_core::{Cx, Error, ErrorKind, Http};
use buntime_http::{
    body::request_body_error,
    kept::{Filled, Kept},
    media,
};
use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

/// How deep it may nest.
const DEPTH: u8 = 64;
/// How long it may take to arrive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// What describes the bytes of a body, and not what they say.
const OF_THE_BYTES: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

/// See the module.
#[derive(Debug)]
pub(crate) struct RequestBody {
    kept: Kept,
    open: Option<(Value, Format)>,
    /// Why it cannot be looked into.
    closed: Option<Closed>,
    pub(crate) changed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Closed {
    Encoded,
    TooLarge(u64),
    Malformed,
}

impl RequestBody {
    /// Reads it, up to so many bytes.
    ///
    /// # Errors
    /// It broke, or did not come in time.
    pub(crate) async fn read(cx: &mut Cx<Http>, limit: u64) -> Result<Self, Error> {
        let body = cx.take_body();
        let there = !http_body::Body::is_end_stream(&body);
        let headers = &cx.request().headers;
        let mut read = Self { kept: Kept::new(body), open: None, closed: None, changed: false };
        let Some(format) = Format::of(headers).filter(|_| there) else { return Ok(read) };
        if media::is_encoded(headers) {
            read.closed = Some(Closed::Encoded);
            return Ok(read);
        }
        match tokio::time::timeout(PATIENCE, read.kept.fill(limit)).await {
            Ok(Ok(Filled::Whole)) => match format.read(&read.kept.bytes(), DEPTH) {
                Ok(value) => read.open = Some((value, format)),
                Err(_) => read.closed = Some(Closed::Malformed),
            },
            Ok(Ok(Filled::Over)) => read.closed = Some(Closed::TooLarge(limit)),
            Ok(Err(broke)) => return Err(request_body_error(broke)),
            Err(_) => {
                return Err(
                    Error::new(ErrorKind::RequestTimeout).with_detail("The request body took too long to arrive")
                );
            }
        }
        Ok(read)
    }

    /// The document, if it is one.
    pub(crate) fn document(&self) -> Option<&Value> {
        self.open.as_ref().map(|(value, _)| value)
    }

    pub(crate) fn document_mut(&mut self) -> Option<&mut Value> {
        self.open.as_mut().map(|(value, _)| value)
    }

    /// Why something cannot be put into it, if it is a body into which something should be.
    pub(crate) fn refusal(&self) -> Option<Error> {
        Some(match self.closed? {
            Closed::Encoded => Error::new(ErrorKind::UnsupportedMediaType)
                .with_detail("A body with a Content-Encoding is not taken here")
                .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            Closed::TooLarge(limit) => {
                Error::new(ErrorKind::PayloadTooLarge).with_detail(format!("A body takes at most {limit} bytes here"))
            }
            Closed::Malformed => {
                Error::new(ErrorKind::Malformed).with_detail("The request body is not what it says it is")
            }
        })
    }

    /// Gives the request its body.
    ///
    /// # Errors
    /// Its format cannot say what is in it now.
    pub(crate) fn finish(self, cx: &mut Cx<Http>) -> Result<(), Error> {
        let Some((value, format)) = self.open.filter(|_| self.changed) else {
            cx.set_body(self.kept.into_body());
            return Ok(());
        };
        let text = format.write(&value, None).map_err(|why| {
            Error::new(ErrorKind::Malformed)
                .with_detail("The request body cannot take what belongs into it")
                .with_internal(why)
        })?;
        let headers = &mut cx.request_mut().headers;
        for name in &OF_THE_BYTES {
            headers.remove(name);
        }
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        cx.set_body(Body::from(text));
        Ok(())
    }
}
