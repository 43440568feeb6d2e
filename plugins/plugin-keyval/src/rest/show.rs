//! What clients are told: entries as the original shows them.

use axum::{
    Json as Body,
    response::{IntoResponse, Response},
};
pub(super) use buntime_keyval::rest::entry_to_json as entry;
use buntime_keyval::{Entry, Key, Versionstamp, json::key_to_json};
use http::{HeaderValue, header};
use serde_json::{Value as Json, json};

/// A key without an entry.
pub(super) fn missing(key: &Key) -> Json {
    json!({ "key": key_to_json(key), "value": null, "versionstamp": null })
}

pub(super) fn entry_or_missing(key: &Key, found: Option<&Entry>) -> Json {
    found.map_or_else(|| missing(key), entry)
}

/// An answer that whoever asks again has to ask for again.
pub(super) fn answer(json: Json) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Body(json)).into_response()
}

/// What a write became.
pub(super) fn written(versionstamp: Versionstamp) -> Response {
    let json = json!({ "ok": true, "versionstamp": versionstamp.to_string() });
    ([(header::ETAG, etag(versionstamp))], answer(json)).into_response()
}

/// A versionstamp as an entity tag.
pub(super) fn etag(versionstamp: Versionstamp) -> HeaderValue {
    // Quotes and hexadecimal digits.
    HeaderValue::try_from(format!("\"{versionstamp}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}
