//! `/tenants`: databases of their own behind one adapter.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use buntime_core::Error;
use buntime_database::TenantName;
use buntime_http::extract::{Json, Query};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, Which, malformed};
use crate::{failure::failure, target::no_such_tenant};

pub(super) async fn list(State(api): State<Api>, Query(which): Query<Which>) -> Result<axum::Json<Value>, Error> {
    let kind = api.databases.adapter(which.kind.as_deref())?.kind();
    let names = match api.databases.tenants(kind)? {
        Some(tenants) => api.limits.within(tenants.list()).await.map_err(failure)?,
        None => Vec::new(),
    };
    Ok(axum::Json(json!({ "tenants": names, "type": kind })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Make {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

pub(super) async fn create(State(api): State<Api>, Json(make): Json<Make>) -> Result<Response, Error> {
    let id = make.id.filter(|id| !id.is_empty()).ok_or_else(|| malformed("Missing or invalid tenant id"))?;
    let name =
        TenantName::new(&id).map_err(|error| malformed(format!("Missing or invalid tenant id: {}", error.detail())))?;
    let kind = api.databases.adapter(make.kind.as_deref())?.kind();
    let tenants = api.databases.must_have_tenants(kind)?;
    let created = api.limits.within_if(false, tenants.create(&name)).await.map_err(failure)?;
    tracing::info!(adapter = kind, tenant = name.as_str(), created, "a tenant was asked for");
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let body = json!({ "ok": true, "id": name.as_str(), "type": kind, "created": created });
    Ok((status, axum::Json(body)).into_response())
}

pub(super) async fn remove(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<axum::Json<Value>, Error> {
    let name = TenantName::new(&id).map_err(failure)?;
    let kind = api.databases.adapter(which.kind.as_deref())?.kind();
    let tenants = api.databases.must_have_tenants(kind)?;
    if !api.limits.within_if(false, tenants.delete(&name)).await.map_err(failure)? {
        return Err(no_such_tenant(&name));
    }
    tracing::info!(adapter = kind, tenant = name.as_str(), "a tenant was deleted");
    Ok(axum::Json(json!({ "ok": true })))
}
