//! What is below `/p/health`: `/api/health`, `/api/health/live` and `/api/health/ready` (also `/api/live`, `/api/ready`).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use buntime_core::Error;
use http::{HeaderName, HeaderValue, StatusCode, header};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::{report::Report, runs::Runs};

pub(crate) fn router(runs: Arc<Runs>) -> Router {
    Router::new()
        .route("/api/health", get(report))
        .route("/api/health/live", get(live))
        .route("/api/live", get(live))
        .route("/api/health/ready", get(ready))
        .route("/api/ready", get(ready))
        .with_state(runs)
}

const NO_STORE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Always 200: it reports, and does not judge.
async fn report(State(runs): State<Arc<Runs>>) -> Result<Response, Error> {
    Ok(([NO_STORE], Json(&*runs.report().await?)).into_response())
}

/// That this is answered is the answer. Nothing is checked.
async fn live() -> Response {
    ([NO_STORE], Json(json!({ "status": "live" }))).into_response()
}

async fn ready(State(runs): State<Arc<Runs>>) -> Result<Response, Error> {
    let report = runs.report().await?;
    if report.ready() {
        return Ok(([NO_STORE], Json(json!({ "status": "ready" }))).into_response());
    }
    let reasons = report.reasons(runs.settings());
    let reasons: Vec<Value> = reasons.map(|check| json!({ "name": check.name, "message": check.message })).collect();
    let again = (header::RETRY_AFTER, HeaderValue::from_static("1"));
    let body = Json(json!({ "status": "not_ready", "reasons": reasons }));
    Ok((StatusCode::SERVICE_UNAVAILABLE, [NO_STORE, again], body).into_response())
}

/// The OpenAPI fragment.
pub(crate) fn openapi() -> Value {
    // Whole in itself, since the fragment ends up in a larger document.
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.for_serialize().into_generator().into_root_schema_for::<Report>().to_value();
    let operation = |id: &str, summary: &str, responses: Value| json!({ "get": { "operationId": id, "tags": ["health"], "summary": summary, "responses": responses } });
    let report = json!({ "200": { "description": "The report, however it turns out", "content": { "application/json": { "schema": schema } } } });
    let live = json!({ "200": { "description": "It lives" } });
    let ready = json!({ "200": { "description": "It is ready" }, "503": { "description": "It is not, and why" } });
    json!({ "paths": {
        "/api/health": operation("health", "Every check, and what they mean together", report),
        "/api/health/live": operation("healthLive", "Does it live?", live),
        "/api/health/ready": operation("healthReady", "May requests be sent here?", ready),
    } })
}
