//! What clients are told: entries as the original shows them.

use axum::{
    Json as Body,
    response::{IntoResponse, Response},
};
use buntime_keyval::Versionstamp;
use http::{HeaderValue, header};
use serde::Serialize;

/// An answer that whoever asks again has to ask for again.
pub(super) fn answer(json: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Body(json)).into_response()
}

/// What a write became.
pub(super) fn written(versionstamp: Versionstamp) -> Response {
    let json = Written { ok: true, versionstamp: versionstamp.to_string() };
    ([(header::ETAG, etag(versionstamp))], answer(json)).into_response()
}

#[derive(Serialize)]
struct Written {
    ok: bool,
    versionstamp: String,
}

/// A versionstamp as an entity tag.
pub(super) fn etag(versionstamp: Versionstamp) -> HeaderValue {
    // Quotes and hexadecimal digits.
    HeaderValue::try_from(format!("\"{versionstamp}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}
