//! The REST API: figures. It administers.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use buntime_core::Roster;
use serde_json::{Value, json};

use crate::{desk, plan::Plan};

pub(crate) fn router(roster: Arc<Roster<Plan>>) -> Router {
    Router::new().route("/api/stats", get(stats)).with_state(roster)
}

async fn stats(State(roster): State<Arc<Roster<Plan>>>) -> Json<Value> {
    Json(desk::stats(&roster))
}

pub(crate) fn openapi() -> Value {
    let count = json!({ "type": "integer" });
    json!({
        "paths": {
            "/api/stats": { "get": { "tags": ["transformer"], "summary": "How many messages were transformed",
                "responses": { "200": { "description": "Figures of all scopes, and of each",
                    "content": { "application/json": { "schema": { "type": "object",
                        "required": ["requests", "responses", "failed", "skipped", "scopes"],
                        "properties": { "requests": count, "responses": count, "failed": count, "skipped": count,
                            "scopes": { "type": "array", "items": { "type": "object" } } } } } } } } } }
        }
    })
}
