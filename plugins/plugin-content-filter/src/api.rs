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
            "/api/stats": { "get": { "tags": ["content-filter"], "summary": "What was found in bodies",
                "responses": { "200": { "description": "Figures of all scopes, and of each with its rules",
                    "content": { "application/json": { "schema": { "type": "object",
                        "required": ["inspected", "blocked", "skipped", "scopes"],
                        "properties": { "inspected": count, "blocked": count, "skipped": count,
                            "scopes": { "type": "array", "items": { "type": "object" } } } } } } } } } }
        }
    })
}
