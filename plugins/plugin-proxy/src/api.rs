//! The administrative API: which rules there are, and which upstreams are offered as fragments.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use buntime_core::{Error, ErrorKind};
use serde_json::{Map, Value, json};

use crate::{rule::Rule, table::Rules};

/// What stands in the place of a secret.
const MASK: &str = "***";

/// The routes below the plugin's base.
pub(crate) fn router(rules: Rules) -> Router {
    Router::new()
        .route("/api/rules", get(list))
        .route("/api/rules/{id}", get(one))
        .route("/api/fragments", get(fragments))
        .with_state(rules)
}

async fn list(State(rules): State<Rules>) -> Json<Vec<Value>> {
    Json(rules.now().rules().map(|rule| shown(rule)).collect())
}

async fn one(State(rules): State<Rules>, Path(id): Path<String>) -> Result<Json<Value>, Error> {
    let table = rules.now();
    let found = table.rules().find(|rule| rule.id() == id);
    found.map(|rule| Json(shown(rule))).ok_or_else(|| Error::new(ErrorKind::NotFound).with_detail("Rule not found"))
}

async fn fragments(State(rules): State<Rules>) -> Json<Vec<Value>> {
    Json(rules.now().rules().filter_map(|rule| fragment(rule)).collect())
}

/// The rule as it was written, with its id; the values of its header fields may be secrets and are not shown.
fn shown(rule: &Rule) -> Value {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(rule.id()));
    shown.insert("name".to_owned(), json!(rule.name()));
    if let Ok(Value::Object(settings)) = serde_json::to_value(rule.settings()) {
        for (key, value) in settings {
            shown.entry(key).or_insert(value);
        }
    }
    if let Some(Value::Object(headers)) = shown.get_mut("headers") {
        headers.values_mut().for_each(|value| *value = json!(MASK));
    }
    shown.insert("readonly".to_owned(), json!(true));
    Value::Object(shown)
}

fn fragment(rule: &Rule) -> Option<Value> {
    let fragment = rule.settings().fragment.as_ref()?;
    Some(json!({
        "id": rule.id(),
        "name": rule.name(),
        "pattern": rule.pattern().as_str(),
        "base": rule.settings().base,
        "origin": rule.draft.target.origin_text(),
        "sandbox": fragment.sandbox,
        "allowMessageBus": fragment.allow_message_bus,
        "preloadStyles": fragment.preload_styles,
    }))
}

/// OpenAPI of the routes above.
pub(crate) fn openapi() -> Value {
    let answer = |what: &str, schema: Value| json!({ "description": what, "content": { "application/json": { "schema": schema } } });
    let rule = json!({ "$ref": "#/components/schemas/ProxyRule" });
    json!({
        "paths": {
            "/api/rules": { "get": {
                "summary": "All rules, in the order in which they are tried", "tags": ["proxy"],
                "responses": { "200": answer("The rules", json!({ "type": "array", "items": rule })) }
            } },
            "/api/rules/{id}": { "get": {
                "summary": "One rule", "tags": ["proxy"],
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }],
                "responses": { "200": answer("The rule", rule), "404": { "description": "There is no such rule" } }
            } },
            "/api/fragments": { "get": {
                "summary": "The upstreams that a shell may embed", "tags": ["proxy"],
                "responses": { "200": answer("The fragments", json!({
                    "type": "array",
                    "items": { "type": "object", "required": ["id", "name", "pattern", "origin", "sandbox"], "properties": {
                        "id": { "type": "string" }, "name": { "type": "string" }, "pattern": { "type": "string" },
                        "base": { "type": ["string", "null"] }, "origin": { "type": "string" },
                        "sandbox": { "enum": ["monkey-patch", "iframe", "service-worker"] },
                        "allowMessageBus": { "type": "boolean" },
                        "preloadStyles": { "type": ["string", "array", "null"] }
                    } }
                })) }
            } }
        },
        "components": { "schemas": { "ProxyRule": {
            "type": "object",
            "required": ["id", "name", "pattern", "target", "readonly"],
            "properties": {
                "id": { "type": "string" }, "name": { "type": "string" }, "pattern": { "type": "string" },
                "target": { "type": "string" }, "rewrite": { "type": "string" },
                "changeOrigin": { "type": "boolean" }, "secure": { "type": "boolean" }, "ws": { "type": "boolean" },
                "guard": { "type": "boolean" },
                "headers": { "type": "object", "additionalProperties": { "const": MASK } },
                "readonly": { "type": "boolean", "description": "Rules of the configuration file cannot be changed here" }
            }
        } } }
    })
}
