//! KV Connect: Deno's own protocol. The exchange of metadata, and the data path that it leads to.

mod answer;
mod caller;
mod data;
mod watch;

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use buntime_keyval::{Limits, engine::DEFAULT_NAMESPACE, wire};
use http::{Extensions, HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use self::answer::{Refused, Whole};
use crate::face::Face;

/// The largest request: Deno's most of an atomic write, and what protobuf adds.
const LARGEST: usize = 2 << 20;
/// How long metadata is good for.
const GOOD_FOR: Duration = Duration::from_secs(60 * 60);

pub(crate) fn router(face: Face) -> Router {
    Router::new()
        .route("/", post(default_metadata))
        .route("/ns/{namespace}", post(metadata))
        .route("/connect/{namespace}/snapshot_read", post(data::snapshot_read))
        .route("/connect/{namespace}/atomic_write", post(data::atomic_write))
        .route("/connect/{namespace}/watch", post(watch::watch))
        .with_state(face)
}

/// What a client says that it speaks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Speaks {
    supported_versions: Vec<u64>,
}

async fn default_metadata(
    face: State<Face>,
    headers: HeaderMap,
    extensions: Extensions,
    Whole(body): Whole,
) -> Result<Response, Refused> {
    metadata(face, Path(DEFAULT_NAMESPACE.to_owned()), headers, extensions, Whole(body)).await
}

async fn metadata(
    State(face): State<Face>,
    Path(namespace): Path<String>,
    headers: HeaderMap,
    extensions: Extensions,
    Whole(body): Whole,
) -> Result<Response, Refused> {
    let token = face.access.judge(&headers, &extensions)?;
    let speaks = match body.as_ref() {
        // Clients of version 1 say nothing.
        [] => vec![1],
        body => {
            let said: Speaks = serde_json::from_slice(body).map_err(|_| {
                Refused::new(StatusCode::BAD_REQUEST, "Send { \"supportedVersions\": [1, 2, 3] } as JSON")
            })?;
            said.supported_versions
        }
    };
    let version = wire::VERSIONS.into_iter().find(|version| speaks.contains(version));
    let version = version
        .ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "This server speaks versions 1, 2 and 3 of KV Connect"))?;
    // Made now, if it is new: a bad name is said here.
    face.engine.namespace(&namespace, Limits::DENO).await?;
    let path = format!("{}/connect/{namespace}", face.base);
    // Version 1 knows no relative address.
    let url = if version == 1 { format!("{}{path}", origin(&headers, &extensions)) } else { path };
    let expires = (OffsetDateTime::now_utc() + GOOD_FOR).truncate_to_second().format(&Rfc3339);
    let expires = expires.map_err(|_| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "The time cannot be written"))?;
    let metadata = json!({
        "version": version,
        // The protocol's text says `uuid`; its clients read this, and npm's refuses any other member.
        "databaseId": face.engine.uuid(),
        "endpoints": [{ "url": url, "consistency": "strong" }],
        "token": token,
        "expiresAt": expires,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(metadata)).into_response())
}

/// Where the client thinks we are.
fn origin(headers: &HeaderMap, extensions: &Extensions) -> String {
    let scheme = extensions.get::<buntime_core::Meta>().map_or("http", |meta| meta.scheme);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("{scheme}://{host}")
}
