//! `/api/config`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use buntime_core::{Error, ErrorKind};
use http::StatusCode;
use serde_json::json;

use super::{Admin, failure::Failure};
use crate::{gateway::answer::json, keeper::ReloadError};

pub(super) async fn effective(State(admin): State<Arc<Admin>>) -> Response {
    json(StatusCode::OK, &admin.keeper.effective().await)
}

pub(super) async fn schema(State(admin): State<Arc<Admin>>) -> Response {
    json(StatusCode::OK, &admin.keeper.schema())
}

pub(super) async fn reload(State(admin): State<Arc<Admin>>) -> Result<Response, Failure> {
    match admin.keeper.reload("the admin API").await {
        Ok(done) => Ok(json(
            StatusCode::OK,
            &json!({ "message": "the configuration was reloaded", "changed": done.changed,
                     "warnings": done.warnings, "needsRestart": done.needs_restart }),
        )),
        Err(ReloadError::Problems(problems)) => {
            let error = Error::new(ErrorKind::Unprocessable)
                .with_detail("The configuration has problems; nothing was changed")
                .with_code("invalid_configuration");
            Err(Failure::from(error).with("problems", problems.to_json()))
        }
        Err(ReloadError::Failed(error)) => Err(error.into()),
    }
}
