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
            "/api/upstreams": upstreams(),
            "/api/upstreams/{cluster}": upstream(),
            "/api/upstreams/{cluster}/{target}": upstream_target(),
        },
        "components": { "schemas": { "ProxyRule": rule_schema(), "Upstream": upstream_schema() } }
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

fn an_upstream() -> Value {
    json!({ "$ref": "#/components/schemas/Upstream" })
}

fn in_path(name: &str, what: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": what, "schema": { "type": "string" } })
}

fn upstreams() -> Value {
    json!({ "get": {
        "summary": "Every upstream, of services and of rules, as it is now", "tags": ["proxy"],
        "responses": { "200": answer("The upstreams", &json!({ "type": "array", "items": an_upstream() })) }
    } })
}

fn upstream() -> Value {
    json!({
        "parameters": [in_path("cluster", "A service's name, or `proxy:` and a rule's")],
        "get": {
            "summary": "One upstream", "tags": ["proxy"],
            "responses": { "200": answer("The upstream", &an_upstream()), "404": refused("There is none of that name") }
        },
        "put": override_of("The target is named in the body: its URL, or its number from 0", true)
    })
}

fn upstream_target() -> Value {
    json!({
        "parameters": [
            in_path("cluster", "A service's name, or `proxy:` and a rule's"),
            in_path("target", "Its URL, percent-encoded, or its number from 0")
        ],
        "put": override_of("On this node, until it is taken back or the program ends", false)
    })
}

fn override_of(what: &str, names_target: bool) -> Value {
    let mut schema = json!({
        "type": "object", "required": ["override"],
        "properties": {
            "override": {
                "enum": ["auto", "drain", "force_open", "force_closed"],
                "description": "drain: nothing new; force_open: out; force_closed: in, whatever checks say; auto: as checks say"
            },
            "target": { "type": "string" }
        }
    });
    if names_target {
        schema["required"] = json!(["override", "target"]);
    }
    json!({
        "summary": "Drains a target, forces it open or closed, or leaves it to its checks", "description": what,
        "tags": ["proxy"], "requestBody": sent(&schema),
        "responses": {
            "200": answer("The upstream", &an_upstream()),
            "400": refused("No such override"),
            "404": refused("There is no such upstream or target")
        }
    })
}

fn upstream_schema() -> Value {
    let number = json!({ "type": "integer" });
    json!({
        "type": "object",
        "required": ["name", "of", "algorithm", "targets"],
        "properties": {
            "name": { "type": "string" }, "of": { "enum": ["service", "rule"] }, "algorithm": { "type": "string" },
            "queued": number, "requests": number, "retries": number,
            "targets": { "type": "array", "items": { "type": "object", "properties": {
                "url": { "type": "string" },
                "state": { "enum": [
                    "healthy", "unhealthy", "ejected", "open", "half_open", "draining", "forced_open", "forced_closed",
                    "weightless"
                ] },
                "override": { "enum": ["auto", "drain", "force_open", "force_closed"] },
                "weight": number, "priority": number, "share": number, "in_flight": number, "max_connections": number,
                "requests": number, "failures": number, "latency_ms": { "type": "number" },
                "breaker": { "type": "string" }, "connections": number, "idle_connections": number,
                "last_error": { "type": "object" }, "addresses": { "type": "array", "items": { "type": "string" } }
            } } },
            "mirror": { "type": "object" }
        }
    })
}

fn rule_schema() -> Value {
    json!({
        "type": "object",
        "required": ["id", "enabled", "readonly"],
        "properties": {
            "id": { "type": "string" }, "name": { "type": "string" }, "pattern": { "type": "string" },
            "target": { "type": "string" }, "service": { "type": "string" }, "upstream": { "type": "object" },
            "rewrite": { "type": "string" },
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
