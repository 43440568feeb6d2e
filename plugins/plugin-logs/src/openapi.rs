//! The OpenAPI fragment of the REST API.

use serde_json::{Value, json};

pub(crate) fn fragment() -> Value {
    let parameters = parameters();
    let query = json!({
        "tags": ["logs"], "summary": "Query the log, newest first", "parameters": parameters,
        "responses": { "200": body("Entries and figures", &json!({
            "type": "object", "required": ["logs", "stats"],
            "properties": {
                "logs": { "type": "array", "items": { "$ref": "#/components/schemas/LogEntry" } },
                "stats": { "$ref": "#/components/schemas/LogStats" }
            }
        })), "400": problem("A parameter is wrong") }
    });
    let add = json!({
        "tags": ["logs"], "summary": "Add an entry",
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object", "required": ["level", "message"], "additionalProperties": false,
            "properties": { "level": level(), "message": { "type": "string" },
                            "source": { "type": "string", "maxLength": 128 },
                            "meta": { "type": "object", "maxProperties": 64 } }
        } } } },
        "responses": { "200": success(), "400": problem("The entry is wrong"), "413": problem("The entry is too large") }
    });
    json!({
        "paths": {
            "/api": { "get": query, "post": add },
            "/api/logs": { "get": query, "post": add },
            "/api/stats": { "get": { "tags": ["logs"], "summary": "Figures about the log",
                "responses": { "200": body("Figures", &json!({ "$ref": "#/components/schemas/LogStats" })) } } },
            "/api/sse": { "get": stream(&parameters) },
            "/api/clear": { "post": { "tags": ["logs"], "summary": "Forget every entry",
                "responses": { "200": success() } } }
        },
        "components": { "schemas": { "LogEntry": entry(), "LogStats": stats() } }
    })
}

fn stream(parameters: &Value) -> Value {
    json!({
        "tags": ["logs"],
        "summary": "Follow the log; resumes after Last-Event-ID, says `event: gap` where entries were lost",
        "parameters": parameters,
        "responses": {
            "200": { "description": "Entries as server-sent events",
                     "content": { "text/event-stream": { "schema": { "type": "string" } } } },
            "400": problem("A parameter is wrong"),
            "503": problem("Too many streams are open")
        }
    })
}

fn parameters() -> Value {
    let parameter = |name: &str, what: &str, schema: Value| json!({ "name": name, "in": "query", "description": what, "schema": schema });
    let text = json!({ "type": "string" });
    json!([
        parameter("level", "This important or more", level()),
        parameter("search", "Text in the message, source, plugin or fields; case does not matter", text.clone()),
        parameter("plugin", "From that plugin, or answered by it", text.clone()),
        parameter("requestId", "Of that request", text.clone()),
        parameter("status", "404, 5xx or 400-499", text.clone()),
        parameter("since", "RFC 3339, seconds or milliseconds since 1970, or how long ago (15m)", text.clone()),
        parameter("until", "As since", text),
        parameter(
            "limit",
            "At most that many",
            json!({ "type": "integer", "minimum": 1, "maximum": crate::query::MOST })
        ),
    ])
}

fn level() -> Value {
    json!({ "type": "string", "enum": crate::entry::Level::ALL })
}

fn body(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn problem(description: &str) -> Value {
    json!({ "description": description, "content": { "application/problem+json": { "schema": { "type": "object" } } } })
}

fn success() -> Value {
    body("Done", &json!({ "type": "object", "properties": { "success": { "const": true } } }))
}

fn entry() -> Value {
    json!({
        "type": "object", "required": ["id", "timestamp", "level", "source", "message"],
        "properties": {
            "id": { "type": "integer" }, "timestamp": { "type": "string", "format": "date-time" }, "level": level(),
            "source": { "type": "string" }, "plugin": { "type": "string" }, "requestId": { "type": "string" },
            "message": { "type": "string" }, "status": { "type": "integer" }, "meta": { "type": "object" }
        }
    })
}

fn stats() -> Value {
    let count = json!({ "type": "integer", "minimum": 0 });
    json!({
        "type": "object",
        "properties": {
            "counts": { "type": "object", "additionalProperties": count }, "total": count, "bytes": count,
            "newest": { "type": ["string", "null"], "format": "date-time" },
            "oldest": { "type": ["string", "null"], "format": "date-time" },
            "dropped": count, "stdoutDropped": count, "otlp": { "type": "object" }
        }
    })
}
