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
    json!({
        "paths": {
            "/api/stats": { "get": { "tags": ["enricher"], "summary": "How often calls were made, answered from memory, and failed",
                "responses": { "200": { "description": "Figures of the calls of each scope",
                    "content": { "application/json": { "schema": { "type": "object", "required": ["scopes"],
                        "properties": { "scopes": { "type": "array", "items": { "type": "object" } } } } } } } } } }
        }
    })
}
