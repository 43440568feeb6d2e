//! The REST API: figures, and what is said to an address. All of it administers.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    routing::get,
};
use buntime_core::{Error, ErrorKind, Roster};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{desk, hooks::Restriction};

pub(crate) fn router(roster: Arc<Roster<Restriction>>) -> Router {
    Router::new().route("/api/stats", get(stats)).route("/api/check", get(check)).with_state(roster)
}

async fn stats(State(roster): State<Arc<Roster<Restriction>>>) -> Json<Value> {
    Json(desk::stats(&roster))
}

/// Which address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    ip: IpAddr,
}

async fn check(
    State(roster): State<Arc<Roster<Restriction>>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    let Ok(Query(Which { ip })) = which else {
        return Err(Error::new(ErrorKind::Malformed).with_detail("Write an address: `?ip=192.0.2.1`"));
    };
    Ok(Json(desk::judge(&roster, ip)))
}

pub(crate) fn openapi() -> Value {
    let object = json!({ "application/json": { "schema": { "type": "object" } } });
    let count = json!({ "type": "integer" });
    json!({
        "paths": {
            "/api/stats": { "get": { "tags": ["ip-restriction"], "summary": "How many requests were let in and kept out",
                "responses": { "200": { "description": "Figures of all scopes, and of each",
                    "content": { "application/json": { "schema": { "type": "object",
                        "required": ["allowed", "denied", "observed", "scopes"],
                        "properties": { "allowed": count, "denied": count, "observed": count,
                            "scopes": { "type": "array", "items": { "type": "object" } } } } } } } } } },
            "/api/check": { "get": { "tags": ["ip-restriction"], "summary": "What each scope says to an address",
                "parameters": [{ "name": "ip", "in": "query", "required": true, "schema": { "type": "string" } }],
                "responses": {
                    "200": { "description": "`allowed`, `denied` or `not_allowed`, by scope", "content": object },
                    "400": { "description": "No address",
                        "content": { "application/problem+json": { "schema": { "type": "object" } } } } } } }
        }
    })
}
