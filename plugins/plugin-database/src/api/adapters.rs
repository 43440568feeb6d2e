//! `/adapters` and `/health`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use buntime_core::{Error, ErrorKind};
use buntime_database::Adapter;
use buntime_http::extract::Query;
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Api, Which};
use crate::failure::{failure, words};

pub(super) async fn list(State(api): State<Api>) -> Result<Json<Value>, Error> {
    let all: Vec<_> = api.databases.iter().collect();
    let names: Vec<&str> = all.iter().map(|(adapter, _)| adapter.kind()).collect();
    let default = all.iter().find(|(_, is_default)| *is_default).map(|(adapter, _)| adapter.kind());
    let mut details = Vec::with_capacity(all.len());
    for (adapter, is_default) in &all {
        details.push(json!({
            "type": adapter.kind(),
            "location": adapter.location(),
            "default": is_default,
            "tenants": api.databases.tenants(adapter.kind())?.is_some(),
        }));
    }
    Ok(Json(json!({ "adapters": names, "default": default, "details": details })))
}

pub(super) async fn health(State(api): State<Api>, Query(which): Query<Which>) -> Result<Response, Error> {
    if let Some(kind) = which.kind.as_deref() {
        let adapter = api.databases.adapter(Some(kind))?;
        return Ok(match api.limits.within(adapter.health()).await {
            Ok(()) => Json(json!({ "status": "healthy", "type": adapter.kind() })).into_response(),
            Err(error) => {
                let error = failure(error).with_status(StatusCode::SERVICE_UNAVAILABLE);
                unhealthy(&error, adapter.kind())
            }
        });
    }
    let ask = async |adapter: &dyn Adapter| {
        let well = api.limits.within(adapter.health()).await;
        (adapter.kind(), well.err().map(|error| words(&error)))
    };
    let found = join_all(api.databases.iter().map(|(adapter, _)| ask(&**adapter))).await;
    let is_well = found.iter().all(|(_, error)| error.is_none());
    let each: Map<String, Value> = found
        .into_iter()
        .map(|(kind, error)| (kind.to_owned(), json!(error.unwrap_or_else(|| "healthy".to_owned()))))
        .collect();
    let status = if is_well { "healthy" } else { "degraded" };
    Ok(Json(json!({ "status": status, "adapters": each })).into_response())
}

/// `status` is what whoever looks after databases reads.
fn unhealthy(error: &Error, kind: &str) -> Response {
    let body = json!({ "status": "unhealthy", "type": kind, "error": error.detail(), "code": error.code(),
        "title": ErrorKind::UpstreamUnavailable.title() });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}
