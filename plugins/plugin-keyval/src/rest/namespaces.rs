//! Which namespaces there are, and what each may hold: for administrators.

use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::{get, put},
};
use buntime_keyval::{
    Limits,
    engine::{NamespaceInfo, Quota},
};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Refused, sent::Sent, show};
use crate::face::Face;

pub(super) fn router(face: Face) -> Router {
    Router::new().route("/namespaces", get(list)).route("/namespaces/{name}", put(set_quota)).with_state(face)
}

async fn list(State(face): State<Face>) -> Result<Response, Refused> {
    let all = face.engine.namespaces().await?;
    Ok(show::answer(json!({ "namespaces": all.iter().map(shown).collect::<Json>() })))
}

fn shown(NamespaceInfo { name, quota }: &NamespaceInfo) -> Json {
    let quota = quota.clone().unwrap_or_default();
    json!({ "name": name, "maxEntries": quota.entries, "maxBytes": quota.bytes })
}

/// What a namespace may hold from now on, in entries and in bytes of keys and values; `null` and nothing are without a
/// limit.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct May {
    max_entries: Option<u64>,
    max_bytes: Option<u64>,
}

/// Makes the namespace if need be.
async fn set_quota(
    State(face): State<Face>,
    Path(name): Path<String>,
    Sent(may): Sent<May>,
) -> Result<Response, Refused> {
    let quota = Quota { entries: may.max_entries, bytes: may.max_bytes };
    let kv = face.engine.namespace(&name, Limits::DENO).await?;
    kv.set_quota(quota.clone()).await?;
    Ok(show::answer(shown(&NamespaceInfo { name, quota: Some(quota) })))
}
