//! `/api/explain`.

use std::sync::Arc;

use axum::{
    extract::{OriginalUri, Query, State},
    response::Response,
};
use buntime_core::{Error, ErrorKind};
use http::StatusCode;

use super::{Admin, failure::Failure};
use crate::{explain::Asked, gateway::answer::json};

pub(super) async fn explain(
    State(admin): State<Arc<Admin>>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Failure> {
    let asked = Query::<Asked>::try_from_uri(&uri).map_err(|error| {
        Error::new(ErrorKind::Malformed)
            .with_detail(format!("Write ?method=&host=&path=&consumer=, each once at most: {}", error.body_text()))
    })?;
    let frozen = admin.shared.routes.current();
    let loaded = admin.keeper.loaded().await;
    Ok(json(StatusCode::OK, &asked.explain(&frozen, &loaded.config).await?))
}
