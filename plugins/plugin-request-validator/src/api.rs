//! The REST API: figures. It administers.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::desk::Desk;

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new().route("/api/stats", get(stats)).with_state(desk)
}

async fn stats(State(desk): State<Arc<Desk>>) -> Json<Value> {
    Json(desk.stats())
}

pub(crate) fn openapi() -> Value {
    let count = json!({ "type": "integer" });
    json!({
        "paths": {
            "/api/stats": { "get": { "tags": ["request-validator"], "summary": "How many requests passed and were refused",
                "responses": { "200": { "description": "Figures of all scopes, and of each by status",
                    "content": { "application/json": { "schema": { "type": "object",
                        "required": ["passed", "refused", "observed", "scopes"],
                        "properties": { "passed": count, "refused": count, "observed": count,
                            "scopes": { "type": "array", "items": { "type": "object" } } } } } } } } } }
        }
    })
}
