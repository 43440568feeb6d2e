//! OpenAPI 3.1 of the runtime and of every plugin that runs, in one document.

use buntime_core::Live;
use serde_json::{Map, Value, json};

use crate::VERSION;

/// The document. Plugins' paths are put below their bases, their components get names of their own.
pub(crate) fn document(live: &Live) -> Value {
    let mut paths = own_paths();
    let mut components = own_components();
    for (base, mut fragment) in live.openapi() {
        let prefix = format!("{}_", base.trim_start_matches("/p/"));
        rename(&mut fragment, &prefix);
        for (path, item) in take_object(&mut fragment, "paths") {
            let path = if path == "/" { format!("{base}/") } else { format!("{base}{path}") };
            paths.insert(path, item);
        }
        for (kind, named) in take_object(&mut fragment, "components") {
            let target = components.entry(kind).or_insert_with(|| json!({}));
            if let (Some(target), Value::Object(named)) = (target.as_object_mut(), named) {
                target.extend(named.into_iter().map(|(name, one)| (format!("{prefix}{name}"), one)));
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Buntime", "version": VERSION,
                  "description": "The runtime's own API and those of the plugins that run in it." },
        "paths": paths,
        "components": components,
        "security": [{ "bearer": [] }, { "apiKey": [] }, { "session": [] }],
    })
}

fn take_object(value: &mut Value, key: &str) -> Map<String, Value> {
    match value.get_mut(key).map(Value::take) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// `#/components/schemas/X` → `#/components/schemas/<prefix>X`.
fn rename(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(reference) if key == "$ref" => {
                        if let Some((kind, name)) =
                            reference.strip_prefix("#/components/").and_then(|rest| rest.split_once('/'))
                        {
                            *reference = format!("#/components/{kind}/{prefix}{name}");
                        }
                    }
                    value => rename(value, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, prefix)),
        _ => {}
    }
}

fn own_components() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let placement = json!({ "enum": ["pre_builtin", "builtin", "post_builtin"] });
    let change = json!({
        "enabled": { "type": "boolean" }, "placement": placement, "order": { "type": "integer" },
        "priority": { "anyOf": [{ "type": "integer" }, { "enum": ["critical", "essential", "optional"] }] },
        "config": { "type": "object", "description": "A JSON merge patch (RFC 7396) of the plugin's settings." },
    });
    let mut addition = json!({ "name": text });
    if let (Some(addition), Some(change)) = (addition.as_object_mut(), change.as_object()) {
        addition.extend(change.clone());
    }
    let parts = json!({
        "securitySchemes": {
            "bearer": { "type": "http", "scheme": "bearer" },
            "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            "session": { "type": "apiKey", "in": "cookie", "name": "buntime_session" },
        },
        "schemas": {
            "Problem": { "type": "object", "description": "RFC 9457.", "properties": {
                "type": text, "title": text, "status": { "type": "integer" }, "detail": text, "code": text,
                "request_id": text, "error": text,
                "pointer": { "type": "string", "description": "Where in the request's body." },
                "problems": { "type": "array", "items": { "type": "object" } } } },
            "PluginChange": { "type": "object", "properties": change, "additionalProperties": false },
            "PluginAddition": { "type": "object", "properties": addition, "required": ["name"], "additionalProperties": false },
            "Sequence": { "type": "object", "required": ["sequence"], "additionalProperties": false, "properties": {
                "sequence": { "type": "array", "items": { "type": "object", "required": ["name", "placement", "order"],
                    "additionalProperties": false,
                    "properties": { "name": text, "placement": placement, "order": { "type": "integer" } } } } } },
        },
    });
    match parts {
        Value::Object(parts) => parts,
        _ => Map::new(),
    }
}

fn operation(summary: &str, body: Option<&str>, answers: &[(&str, &str)]) -> Value {
    let mut responses = Map::new();
    for (status, what) in answers {
        responses.insert((*status).to_owned(), json!({ "description": what }));
    }
    let problem = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    responses.insert("default".to_owned(), json!({ "description": "A problem", "content": problem }));
    let mut operation = json!({ "summary": summary, "responses": responses });
    if let Some(schema) = body {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn own_paths() -> Map<String, Value> {
    let name = json!([{ "name": "name", "in": "path", "required": true, "schema": { "type": "string" },
                        "description": "In any of its spellings, URL-encoded." }]);
    let open = |mut operation: Value| {
        operation["security"] = json!([]);
        operation
    };
    let ok = [("200", "OK")];
    let mut paths = Map::new();
    let mut add = |path: &str, item: Value| {
        paths.insert(path.to_owned(), item);
    };
    add("/livez", json!({ "get": open(operation("Does the process answer?", None, &ok)) }));
    add(
        "/readyz",
        json!({ "get": open(operation("Is every required part up?", None, &[("200", "Ready"), ("503", "Not ready, with reasons")])) }),
    );
    add(
        "/.well-known/buntime",
        json!({ "get": open(operation("Where the API is, and which version runs", None, &ok)) }),
    );
    add(
        "/api/plugins",
        json!({ "get": operation("Every configured plugin, in startup order", None, &ok),
                "post": operation("Adds a plugin that the program knows and the file does not list", Some("PluginAddition"), &[("201", "Added"), ("409", "It is there")]) }),
    );
    add(
        "/api/plugins/{name}",
        json!({ "parameters": name, "get": operation("One plugin", None, &ok),
                "put": operation("Changes it; what is left out stays", Some("PluginChange"), &ok),
                "delete": operation("Removes one that was added here", None, &[("200", "Removed"), ("409", "The file lists it")]) }),
    );
    add(
        "/api/plugins/sequence",
        json!({ "put": operation("Places several plugins at once, all or none", Some("Sequence"), &ok) }),
    );
    add(
        "/api/plugins/{name}/restart",
        json!({ "parameters": name, "post": operation("Starts it anew; lifts a quarantine", None, &ok) }),
    );
    add("/api/config", json!({ "get": operation("The configuration in force, secrets as ***", None, &ok) }));
    add(
        "/api/config/reload",
        json!({ "post": operation("Loads the file again", None, &[("200", "Loaded"), ("422", "Problems; nothing changed")]) }),
    );
    add("/api/config/schema", json!({ "get": operation("The JSON schema of the configuration file", None, &ok) }));
    add("/api/routes", json!({ "get": operation("What answers where", None, &ok) }));
    let asked = |name: &str, what: &str| json!({ "name": name, "in": "query", "schema": { "type": "string" }, "description": what });
    let mut explain = operation(
        "What would happen to a request: its route, its chain, why each plugin stands where it does, and which level said each of its settings",
        None,
        &ok,
    );
    explain["parameters"] = json!([
        asked("method", "Default `GET`."),
        asked("host", "Default `localhost`."),
        asked("path", "Default `/`."),
        asked("consumer", "Its name; nobody known if left out."),
    ]);
    add("/api/explain", json!({ "get": explain }));
    add(
        "/api/session",
        json!({ "get": open(operation("Is this session open, and may whoever asks administer? For browsers, the form to sign in", None, &ok)),
                "post": open(operation("Exchanges the admin token for a cookie", None, &[("200", "Signed in")])),
                "delete": open(operation("Ends the session", None, &[("204", "Signed out")])) }),
    );
    add("/api/openapi.json", json!({ "get": operation("This document", None, &ok) }));
    add("/api/docs", json!({ "get": open(operation("This document as a page", None, &ok)) }));
    paths
}
