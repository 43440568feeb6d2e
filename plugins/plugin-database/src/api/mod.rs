//! The REST API. All of it administers.

mod adapters;
mod openapi;
mod query;
mod tables;
mod tenants;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{delete, get, post},
};
use buntime_core::{Error, ErrorKind};
use serde::Deserialize;

use crate::{figures::Figures, limits::Limits, target::Databases};

pub(crate) use openapi::openapi;

/// What the routes share.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) databases: Databases,
    pub(crate) limits: Limits,
    pub(crate) figures: Arc<Figures>,
}

pub(crate) fn router(api: Api) -> Router {
    let body = DefaultBodyLimit::max(api.limits.body);
    Router::new()
        .route("/api/adapters", get(adapters::list))
        .route("/api/health", get(adapters::health))
        .route("/api/tenants", get(tenants::list).post(tenants::create))
        .route("/api/tenants/{id}", delete(tenants::remove))
        .route("/api/tables", get(tables::list))
        .route("/api/tables/{name}/schema", get(tables::schema))
        .route("/api/tables/{name}/rows", get(tables::rows))
        .route("/api/query", post(query::run))
        .layer(body)
        .with_state(api)
}

/// Which adapter is meant; none is the default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Which {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Which database is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Where {
    #[serde(rename = "type")]
    kind: Option<String>,
    tenant: Option<String>,
}

fn malformed(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed).with_detail(detail.into())
}
