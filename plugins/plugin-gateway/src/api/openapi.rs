//! The OpenAPI fragment of the REST API.

use serde_json::{Value, json};

pub(crate) fn fragment() -> Value {
    let figures = json!({ "type": "object" });
    let name = parameter("name", "Only the limits of that name", &json!({ "type": "string" }));
    let reset = operation("Forget what one key has used", "`deleted` says whether there was one", &figures);
    json!({
        "paths": {
            "/api/stats": { "get": operation("Figures of all limits, CORS and Redis", "Figures", &figures) },
            "/api/config": { "get": operation("The settings, without secrets", "Settings", &figures) },
            "/api/sse": { "get": {
                "tags": ["gateway"], "summary": "Figures and the last refusals, each second",
                "responses": { "200": { "description": "Server-sent events",
                    "content": { "text/event-stream": { "schema": { "type": "string" } } } },
                    "503": problem("Too many streams are open") } } },
            "/api/logs": {
                "get": with(operation("The last requests, newest first; those over a limit are kept apart", "Requests", &list("GatewayRequest")), &json!([
                    parameter("limit", "At most that many", &integer(1, 2_000)),
                    parameter("ip", "Of that address", &json!({ "type": "string" })),
                    parameter("consumer", "Of that consumer", &json!({ "type": "string" })),
                    parameter("path", "Whose path contains this", &json!({ "type": "string" })),
                    parameter("statusRange", "Answered so: `404`, `5xx`, `400-499`", &json!({ "type": "string" })),
                    parameter("rateLimited", "Refused by a limit, or not", &json!({ "type": "boolean" })),
                    name,
                ])),
                "delete": operation("Forget the requests", "`cleared` says how many", &figures) },
            "/api/logs/stats": { "get": operation("How many requests ended how", "Figures", &figures) },
            "/api/metrics/history": {
                "get": with(operation("Samples of the figures, oldest first", "Samples", &list("GatewaySample")), &json!([
                    parameter("limit", "The last so many; 60 by default", &integer(1, 100_000)),
                ])),
                "delete": operation("Forget the samples", "`cleared` says how many", &figures) },
            "/api/shell/excludes": {
                "get": operation("First segments of paths that are never the shell's", "Names", &list("GatewayExclude")),
                "post": {
                    "tags": ["gateway"], "summary": "Keep a path from the shell",
                    "requestBody": { "required": true, "content": { "application/json": { "schema": {
                        "type": "object", "required": ["basename"],
                        "properties": { "basename": { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" } } } } } },
                    "responses": {
                        "200": { "description": "It was there" }, "201": { "description": "It is added" },
                        "400": problem("There is no shell, it is no name, or the settings have it") } } },
            "/api/shell/excludes/{basename}": { "delete": with(
                operation("Let the shell have a path again", "`deleted` says whether there was one", &figures),
                &json!([{ "name": "basename", "in": "path", "required": true, "schema": { "type": "string" } }])) },
            "/api/cache": { "get": operation("Figures of the response cache", "`totals` is null where nothing is cached", &figures) },
            "/api/cache/entries": { "get": with(
                operation("What is cached", "Answers, each variant by itself", &list("GatewayCached")), &json!([
                    parameter("limit", "At most that many", &integer(1, 1_000)),
                    parameter("prefix", "Keys that begin like this: `/products/`, `example.com/`", &json!({ "type": "string" })),
                ])) },
            "/api/cache/invalidate": { "post": {
                "tags": ["gateway"], "summary": "Forget what is cached: what all that is said fits; nothing said is everything",
                "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/GatewayInvalidate" } } } },
                "responses": {
                    "200": { "description": "How many answers were forgotten, or `all`", "content": { "application/json": { "schema": {
                        "type": "object", "required": ["invalidated"],
                        "properties": { "invalidated": { "type": ["integer", "string"] } } } } } },
                    "400": problem("Nothing is cached, or the body is wrong")
                } } },
            "/api/rate-limit/metrics": { "get": operation("Every limit with its figures", "Figures", &figures) },
            "/api/rate-limit/buckets": { "get": with(
                operation("Who is counted", "Keys with what they have left", &list("GatewayBucket")), &json!([
                    parameter("limit", "At most that many", &integer(1, 1_000)),
                    parameter("prefix", "Keys that begin like this: `ip:192.0.2.`", &json!({ "type": "string" })),
                    name,
                ])) },
            "/api/rate-limit/buckets/{key}": { "delete": with(reset, &json!([
                { "name": "key", "in": "path", "required": true, "schema": { "type": "string" } }, name,
            ])) },
            "/api/rate-limit/clear": { "post": with(
                operation("Forget what everybody has used", "`cleared` says how many keys", &figures), &json!([name])) },
        },
        "components": { "schemas": { "GatewayBucket": bucket(), "GatewayRequest": request(),
            "GatewaySample": sample(), "GatewayExclude": exclude(),
            "GatewayCached": cached(), "GatewayInvalidate": invalidate() } }
    })
}

fn operation(summary: &str, description: &str, schema: &Value) -> Value {
    json!({
        "tags": ["gateway"], "summary": summary,
        "responses": {
            "200": { "description": description, "content": { "application/json": { "schema": schema } } },
            "400": problem("A parameter is wrong, or there are no limits")
        }
    })
}

fn with(mut operation: Value, parameters: &Value) -> Value {
    operation["parameters"] = parameters.clone();
    operation
}

fn parameter(name: &str, what: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": what, "schema": schema })
}

fn integer(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn list(of: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{of}") } })
}

fn problem(description: &str) -> Value {
    json!({ "description": description, "content": { "application/problem+json": { "schema": { "type": "object" } } } })
}

fn bucket() -> Value {
    json!({
        "type": "object", "required": ["key", "limit", "scope", "tokens", "limited", "resetAfter"],
        "properties": {
            "key": { "type": "string" }, "limit": { "type": "string" }, "scope": {},
            "tokens": { "type": "integer", "description": "How many more fit now" },
            "limited": { "type": "boolean" },
            "resetAfter": { "type": "integer", "description": "Seconds until all of it is free again" }
        }
    })
}

fn request() -> Value {
    let text = json!({ "type": "string" });
    let maybe = json!({ "type": ["string", "null"] });
    json!({
        "type": "object", "required": ["timestamp", "ip", "method", "path", "status", "duration", "rateLimited"],
        "properties": {
            "timestamp": { "type": "string", "format": "date-time" }, "ip": text, "method": text, "path": text,
            "status": { "type": ["integer", "null"], "description": "null while it is under way" },
            "duration": { "type": ["number", "null"], "description": "Milliseconds to the answer's head" },
            "requestId": text, "consumer": maybe, "route": maybe,
            "rateLimited": { "type": "boolean" },
            "observed": { "type": "boolean", "description": "Over a limit that only observes" },
            "limit": text, "scope": {}, "key": text, "retryAfter": { "type": "integer" }
        }
    })
}

fn sample() -> Value {
    let count = json!({ "type": "integer" });
    json!({
        "type": "object", "required": ["timestamp", "totalRequests", "allowedRequests", "blockedRequests", "activeBuckets", "interval"],
        "properties": {
            "timestamp": { "type": "string", "format": "date-time" },
            "totalRequests": count, "allowedRequests": count, "blockedRequests": count, "activeBuckets": count,
            "interval": { "type": "object", "description": "What happened since the sample before", "properties": {
                "requests": count, "byStatus": { "type": "object" }, "avgDuration": { "type": ["number", "null"] },
                "allowed": count, "blocked": count, "observed": count, "cacheHits": count, "cacheMisses": count } }
        }
    })
}

fn exclude() -> Value {
    json!({
        "type": "object", "required": ["basename", "source"],
        "properties": {
            "basename": { "type": "string" },
            "source": { "enum": ["env", "keyval"], "description": "Of the settings, or added here" }
        }
    })
}

fn cached() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object", "required": ["key", "scope", "status", "bytes", "age", "ttl", "tags"],
        "properties": {
            "key": text, "scope": {}, "route": { "type": ["string", "null"] },
            "vary": { "type": "array", "items": text, "description": "Fields of requests it depends on" },
            "status": { "type": "integer" }, "bytes": { "type": "integer" }, "age": { "type": "integer" },
            "ttl": { "type": "integer", "description": "Seconds it is still fresh; negative when it is stale" },
            "tags": { "type": "array", "items": text }
        }
    })
}

fn invalidate() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "key": text("One URL: `/products/1?a=b` on every host, `example.com/products/1`, or with its scheme"),
            "prefix": text("URLs that begin like this"),
            "pattern": text("Paths, as a glob or a regular expression that begins with `^`"),
            "tag": text("What has this tag")
        }
    })
}
