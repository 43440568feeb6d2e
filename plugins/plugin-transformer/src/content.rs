//! The body of one message: read when a rule looks into it, given on byte for byte when none changed it.

use axum::body::Body;
use buntime_content::Format;
use buntime_core::{Error, ErrorKind};
use buntime_http::{
    body::{BodyError, request_body_error},
    kept::{Filled, Kept},
    media,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;

use crate::{
    failure::{Failure, Side},
    plan::Limits,
};

/// A body longer than this is read off the threads that serve.
const LONG: usize = 64 << 10;

/// What describes the bytes of a body, and not what they say.
const OF_THE_BYTES: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

/// A body in memory.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) format: Format,
    pub(crate) root: Option<String>,
    pub(crate) changed: bool,
    /// The format it came in.
    came: Option<Format>,
    /// How long it was when it came, in bytes.
    size: usize,
    /// What it is written as, once that is known to be possible.
    written: Option<Vec<u8>>,
}

impl Document {
    /// One that is written anew.
    pub(crate) fn new(value: Value, format: Format) -> Self {
        Self { value, format, root: None, changed: false, came: None, size: 0, written: None }
    }

    /// To be called after every change: writes it where the format might not be able to say what is in it.
    ///
    /// # Errors
    /// It cannot.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        self.written = match self.format {
            Format::Json => None,
            Format::Form | Format::Xml if !self.changed => None,
            format => Some(format.write(&self.value, self.root.as_deref()).map_err(Failure::Other)?),
        };
        Ok(())
    }
}

/// What is known of a body.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// There is none, or nobody here reads its type.
    Opaque,
    /// It cannot be looked into.
    Closed(Failure),
    /// It is here.
    Open(Document),
}

/// A message's body under work.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) content: Content,
    /// Is there a body at all?
    pub(crate) there: bool,
    /// What it was called when it came.
    kind: Option<HeaderValue>,
    kept: Kept,
}

impl Work {
    /// Reads a body, where its type is one that is read here.
    ///
    /// # Errors
    /// It broke, or did not come in time: nothing can be given on.
    pub(crate) async fn read(
        body: Body,
        headers: &HeaderMap,
        partial: bool,
        limits: &Limits,
        side: Side,
    ) -> Result<Self, Error> {
        let there = !http_body::Body::is_end_stream(&body);
        let mut kept = Kept::new(body);
        let closed = |failure| Content::Closed(failure);
        let content = match Format::of(headers) {
            _ if !there => Content::Opaque,
            None => Content::Opaque,
            Some(_) if media::is_encoded(headers) => closed(Failure::Encoded),
            Some(_) if partial => closed(Failure::Other("it is a part of a body".to_owned())),
            Some(_) if !is_utf8(headers) => closed(Failure::Other("only UTF-8 is read here".to_owned())),
            Some(format) => match tokio::time::timeout(limits.time, kept.fill(limits.size)).await {
                Ok(Ok(Filled::Over)) => closed(Failure::TooLarge(limits.size)),
                Ok(Ok(Filled::Whole)) => parsed(kept.bytes(), format, limits.depth).await,
                Ok(Err(broke)) => return Err(broken(broke, side)),
                Err(_) => return Err(late(side)),
            },
        };
        Ok(Self { content, there, kind: headers.get(header::CONTENT_TYPE).cloned(), kept })
    }

    /// The body as it now is, and what its headers say of it.
    pub(crate) async fn finish(self, headers: &mut HeaderMap) -> Body {
        let document = match self.content {
            Content::Open(document) if document.changed => document,
            Content::Open(_) | Content::Opaque | Content::Closed(_) => return self.kept.into_body(),
        };
        describe(headers);
        // Who has called it otherwise knows better.
        if document.came != Some(document.format) && headers.get(header::CONTENT_TYPE) == self.kind.as_ref() {
            headers.insert(header::CONTENT_TYPE, document.format.content_type());
        }
        let text = match document.written {
            Some(text) => text,
            None => off(document.size, move || document.value.to_string().into_bytes()).await.unwrap_or_default(),
        };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        Body::from(text)
    }
}

/// Takes away what is said of bytes that are others now.
fn describe(headers: &mut HeaderMap) {
    for name in &OF_THE_BYTES {
        headers.remove(name);
    }
    headers.remove(header::ACCEPT_RANGES);
    weaken(headers);
}

/// The bytes are others now, and mean the same to who knows the rules.
pub(crate) fn weaken(headers: &mut HeaderMap) {
    if let Some(tag) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) {
        match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
            Ok(weak) => drop(headers.insert(header::ETAG, weak)),
            Err(_) => drop(headers.remove(header::ETAG)),
        }
    }
}

async fn parsed(text: Bytes, format: Format, depth: u8) -> Content {
    let size = text.len();
    let read = off(size, move || format.read(&text, depth)).await;
    match read.unwrap_or_else(|| Err("it could not be read".to_owned())) {
        Ok(value) => Content::Open(Document { came: Some(format), size, ..Document::new(value, format) }),
        Err(why) => Content::Closed(Failure::Other(why)),
    }
}

/// Work on so many bytes: long ones off the threads that serve. `None` when the program is ending.
async fn off<T: Send + 'static>(size: usize, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if size <= LONG { Some(work()) } else { tokio::task::spawn_blocking(work).await.ok() }
}

/// Does it say nothing of another encoding?
fn is_utf8(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let charset = kind.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut charset = charset.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charset.all(|(_, value)| {
        let value = value.trim().trim_matches('"');
        value.eq_ignore_ascii_case("utf-8")
            || value.eq_ignore_ascii_case("utf8")
            || value.eq_ignore_ascii_case("us-ascii")
    })
}

fn broken(error: axum::Error, side: Side) -> Error {
    match side {
        Side::Request => request_body_error(error),
        Side::Response => {
            let kind = match BodyError::find(&error) {
                Some(BodyError::Stalled { .. }) => ErrorKind::UpstreamTimeout,
                _ => ErrorKind::UpstreamProtocol,
            };
            Error::new(kind).with_detail("The upstream's answer broke off").with_cause(error)
        }
    }
}

fn late(side: Side) -> Error {
    match side {
        Side::Request => Error::new(ErrorKind::RequestTimeout).with_detail("The request body took too long to arrive"),
        Side::Response => Error::new(ErrorKind::UpstreamTimeout),
    }
}
