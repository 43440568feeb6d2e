//! `GET …/api/whoami`: whom the gateway takes the caller for.

use std::sync::Arc;

use axum::{Extension, Json, Router, routing::get};
use buntime_core::values::Identity;
use serde_json::{Value, json};

pub(crate) fn router() -> Router {
    Router::new().route("/api/whoami", get(whoami))
}

async fn whoami(identity: Option<Extension<Arc<Identity>>>) -> Json<Value> {
    Json(json!({ "consumer": identity.map(|Extension(identity)| identity.subject.clone()) }))
}

pub(crate) fn openapi() -> Value {
    json!({ "paths": { "/api/whoami": { "get": {
        "summary": "Whom the gateway takes the caller for",
        "responses": { "200": { "description": "`consumer` is null for who is not recognised",
            "content": { "application/json": { "schema": { "type": "object",
                "properties": { "consumer": { "type": ["string", "null"] } } } } } } }
    } } } })
}
