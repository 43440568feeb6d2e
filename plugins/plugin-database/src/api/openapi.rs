//! The OpenAPI fragment of both faces.

use serde_json::{Map, Value, json};

pub(crate) fn openapi() -> Value {
    let mut paths = Map::new();
    let mut add = |path: &str, methods: Value| paths.insert(path.to_owned(), methods);
    add("/api/adapters", json!({ "get": operation("The databases there are", &[], "Names, the default, details") }));
    add("/api/health", json!({ "get": operation("How they are", &[kind()], "One, or all") }));
    let tenants = json!({
        "get": operation("The tenants of a database", &[kind()], "Their names"),
        "post": with_body(operation("Makes a tenant", &[], "It was there"), &json!({
            "type": "object", "required": ["id"], "additionalProperties": false,
            "properties": { "id": { "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" }, "type": adapter() } })),
    });
    add("/api/tenants", tenants);
    let id = in_path("id");
    add(
        "/api/tenants/{id}",
        json!({ "delete": operation("Deletes a tenant with all that is in it", &[id, kind()], "It is gone") }),
    );
    add("/api/tables", json!({ "get": operation("Tables and views", &[kind(), tenant()], "Names and types") }));
    let name = in_path("name");
    add(
        "/api/tables/{name}/schema",
        json!({ "get": operation("The columns of a table", &[name.clone(), kind(), tenant()], "In order") }),
    );
    let number = |name: &str, least: u32| json!({ "name": name, "in": "query", "schema": { "type": "integer", "minimum": least } });
    let count = json!({ "name": "count", "in": "query", "description": "Is the whole table counted, too?", "schema": { "type": "boolean", "default": true } });
    let paged = [name, kind(), tenant(), number("limit", 1), number("offset", 0), count];
    add(
        "/api/tables/{name}/rows",
        json!({ "get": operation("Some rows of a table", &paged, "Rows, and how many there are") }),
    );
    let query = with_body(
        operation("Runs one statement", &[], "Its rows, and how many it changed"),
        &json!({
        "type": "object", "required": ["sql"], "additionalProperties": false,
        "properties": { "sql": { "type": "string" }, "args": { "type": ["array", "object"] }, "type": adapter(),
            "tenant": { "type": "string" }, "readOnly": { "type": "boolean", "default": false } } }),
    );
    add("/api/query", json!({ "post": query }));
    for (base, named) in [
        ("", vec![]),
        ("/{adapter}", vec![in_path("adapter")]),
        ("/{adapter}/{tenant}", vec![in_path("adapter"), in_path("tenant")]),
    ] {
        for version in ["v2", "v3"] {
            let what = format!("Hrana {version} over HTTP is spoken here");
            add(&format!("/api/hrana{base}/{version}"), json!({ "get": operation(&what, &named, "It is") }));
            let pipeline = operation("Requests on a stream of Hrana", &named, "Their results, and the next baton");
            add(
                &format!("/api/hrana{base}/{version}/pipeline"),
                json!({ "post": with_body(pipeline, &json!({ "type": "object", "required": ["requests"] })) }),
            );
        }
        let cursor = operation("A batch on a stream of Hrana, its rows as they are made", &named, "One entry a line");
        add(
            &format!("/api/hrana{base}/v3/cursor"),
            json!({ "post": with_body(cursor, &json!({ "type": "object", "required": ["batch"] })) }),
        );
    }
    json!({ "paths": paths })
}

fn operation(summary: &str, parameters: &[Value], answer: &str) -> Value {
    let problem = |what: &str| json!({ "description": what, "content": { "application/problem+json": { "schema": { "type": "object" } } } });
    json!({
        "tags": ["database"], "summary": summary, "parameters": parameters,
        "responses": {
            "200": { "description": answer, "content": { "application/json": { "schema": { "type": "object" } } } },
            "400": problem("It makes no sense, or the SQL does not"),
            "401": problem("No admin token, or another"),
            "404": problem("There is no such tenant or table"),
            "503": problem("The database cannot be reached"),
            "504": problem("It took too long; with the code `uncertain` it may have happened"),
        }
    })
}

fn with_body(mut operation: Value, schema: &Value) -> Value {
    operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    operation
}

fn in_path(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

fn adapter() -> Value {
    json!({ "type": "string", "enum": ["sqlite", "libsql", "postgres"] })
}

fn kind() -> Value {
    json!({ "name": "type", "in": "query", "description": "Which adapter; default: the default one", "schema": adapter() })
}

fn tenant() -> Value {
    json!({ "name": "tenant", "in": "query", "description": "Which tenant of it", "schema": { "type": "string" } })
}
