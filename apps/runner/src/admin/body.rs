//! Bodies of requests to the admin API: small, JSON, and every mistake with its place.

use axum::body::Body;
use buntime_core::{Error, ErrorKind};
use buntime_http::body::collect;
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;

/// Longest body, in bytes.
const LONGEST: u64 = 1 << 20;

/// The whole body.
pub(crate) async fn bytes(request: Request<Body>) -> Result<Bytes, Failure> {
    Ok(collect(request.into_body(), LONGEST).await?)
}

/// The type a request says its body has, without parameters, in lower case.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The body as JSON of that type.
pub(crate) async fn read<T: DeserializeOwned>(request: Request<Body>) -> Result<T, Failure> {
    match content_type(request.headers()).as_deref() {
        None | Some("application/json") => {}
        Some(kind) if kind.ends_with("+json") => {}
        Some(_) => {
            return Err(Error::new(ErrorKind::UnsupportedMediaType).with_detail("Send application/json").into());
        }
    }
    parse(&bytes(request).await?)
}

/// A JSON object of that type.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Failure> {
    // A list would be taken for an object whose fields have no names.
    if text.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(malformed("expected a JSON object", String::new()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer_of(error.path());
        malformed(&error.inner().to_string(), pointer)
    })?;
    deserializer.end().map_err(|error| malformed(&error.to_string(), String::new()))?;
    Ok(value)
}

fn malformed(what: &str, pointer: String) -> Failure {
    let detail = if pointer.is_empty() { what.to_owned() } else { format!("{what} (at {pointer})") };
    Failure::from(Error::new(ErrorKind::Malformed).with_detail(detail)).with("pointer", Value::String(pointer))
}

/// RFC 6901.
fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    use std::fmt::Write;
    path.iter().fold(String::new(), |mut pointer, segment| {
        // Writing to a string cannot fail.
        let _ = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            Segment::Map { key } => write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => Ok(()),
        };
        pointer
    })
}
