//! OpenAPI of the API's routes.

use serde_json::{Value, json};

use super::MASK;

/// A fragment of OpenAPI 3.1, with paths below the plugin's base.
pub(crate) fn openapi() -> Value {
    json!({
        "paths": {
            "/api/rules": rules(),
            "/api/rules/reorder": reorder(),
            "/api/rules/{id}": rule(),
            "/api/rules/{id}/toggle": toggle(),
            "/api/fragments": fragments(),
        },
        "components": { "schemas": { "ProxyRule": rule_schema() } }
    })
}

fn answer(what: &str, schema: &Value) -> Value {
    json!({ "description": what, "content": { "application/json": { "schema": schema } } })
}

fn refused(what: &str) -> Value {
    json!({ "description": what, "content": { "application/problem+json": { "schema": { "type": "object" } } } })
}

fn a_rule() -> Value {
    json!({ "$ref": "#/components/schemas/ProxyRule" })
}

fn the_rules() -> Value {
    answer("All rules, in the order in which they are tried", &json!({ "type": "array", "items": a_rule() }))
}

fn sent(schema: &Value) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

fn id() -> Value {
    json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } })
}

fn if_match() -> Value {
    json!({
        "name": "If-Match", "in": "header", "schema": { "type": "string" },
        "description": "The `ETag` of what was looked at; if it has been changed since, nothing is done"
    })
}

fn rules() -> Value {
    json!({
        "get": {
            "summary": "All rules, in the order in which they are tried", "tags": ["proxy"],
            "responses": { "200": the_rules() }
        },
        "post": {
            "summary": "Adds a rule behind the others", "tags": ["proxy"],
            "requestBody": sent(&a_rule()),
            "responses": {
                "201": answer("The rule", &a_rule()),
                "400": refused("What is wrong with it: `problems`, each with a `pointer`"),
                "409": refused("Its id or name is taken, there are too many, or no rules are kept here"),
                "413": refused("It is too large"),
                "503": refused("The database cannot be used now")
            }
        }
    })
}

fn reorder() -> Value {
    let schema = json!({
        "type": "object", "required": ["ids"],
        "properties": { "ids": {
            "type": "array", "items": { "type": "string" },
            "description": "Every rule that is not readonly, once"
        } }
    });
    json!({ "put": {
        "summary": "Gives the rules of the database another order, all at once", "tags": ["proxy"],
        "parameters": [if_match()], "requestBody": sent(&schema),
        "responses": {
            "200": the_rules(),
            "409": refused("The list is not that of the rules"),
            "412": refused("The rules have been changed since")
        }
    } })
}

fn rule() -> Value {
    json!({
        "parameters": [id()],
        "get": {
            "summary": "One rule", "tags": ["proxy"],
            "responses": { "200": answer("The rule", &a_rule()), "404": refused("There is no such rule") }
        },
        "put": {
            "summary": "Changes a rule: what is left out stays, null takes away", "tags": ["proxy"],
            "parameters": [if_match()], "requestBody": sent(&json!({ "type": "object" })),
            "responses": {
                "200": answer("The rule", &a_rule()),
                "400": refused("What is wrong with it: `problems`, each with a `pointer`"),
                "404": refused("There is no such rule"),
                "409": refused("It stands in the configuration file, or its name is taken"),
                "412": refused("It has been changed since")
            }
        },
        "delete": {
            "summary": "Removes a rule", "tags": ["proxy"], "parameters": [if_match()],
            "responses": {
                "200": answer("It is gone", &json!({ "type": "object", "properties": { "success": { "const": true } } })),
                "404": refused("There is no such rule"),
                "409": refused("It stands in the configuration file"),
                "412": refused("It has been changed since")
            }
        }
    })
}

fn toggle() -> Value {
    let schema = json!({ "type": "object", "properties": { "enabled": { "type": "boolean" } } });
    json!({ "parameters": [id()], "patch": {
        "summary": "Switches a rule on or off; without a body, to what it is not", "tags": ["proxy"],
        "parameters": [if_match()],
        "requestBody": { "content": { "application/json": { "schema": schema } } },
        "responses": {
            "200": answer("The rule", &a_rule()),
            "404": refused("There is no such rule"),
            "409": refused("It stands in the configuration file"),
            "412": refused("It has been changed since")
        }
    } })
}

fn fragments() -> Value {
    json!({ "get": {
        "summary": "The upstreams that a shell may embed", "tags": ["proxy"],
        "responses": { "200": answer("The fragments", &json!({
            "type": "array",
            "items": { "type": "object", "required": ["id", "name", "pattern", "origin", "sandbox"], "properties": {
                "id": { "type": "string" }, "name": { "type": "string" }, "pattern": { "type": "string" },
                "base": { "type": ["string", "null"] }, "origin": { "type": ["string", "null"] },
                "sandbox": { "enum": ["monkey-patch", "iframe", "service-worker"] },
                "allowMessageBus": { "type": "boolean" },
                "preloadStyles": { "type": ["string", "array", "null"] }
            } }
        })) }
    } })
}

fn rule_schema() -> Value {
    json!({
        "type": "object",
        "required": ["id", "enabled", "readonly"],
        "properties": {
            "id": { "type": "string" }, "name": { "type": "string" }, "pattern": { "type": "string" },
            "target": { "type": "string" }, "rewrite": { "type": "string" },
            "changeOrigin": { "type": "boolean" }, "secure": { "type": "boolean" }, "ws": { "type": "boolean" },
            "guard": { "type": "boolean" },
            "headers": {
                "type": "object", "additionalProperties": { "type": "string" },
                "description": format!("Values are shown as {MASK}; sent back like that, they stay")
            },
            "enabled": { "type": "boolean", "description": "Is it tried?" },
            "readonly": { "type": "boolean", "description": "Rules of the configuration file cannot be changed here" },
            "version": { "type": "integer", "description": "What `ETag` says, too" },
            "problem": { "type": "string", "description": "Why this node cannot use it" }
        }
    })
}
