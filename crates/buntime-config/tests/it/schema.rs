//! The schema for editors.

use buntime_config::schema;
use serde_json::Value;

use crate::support::Catalog;

#[test]
fn every_reference_has_its_definition() {
    let schema = schema(&Catalog::default());
    let mut references = Vec::new();
    collect(&schema, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or(&reference);
        assert!(schema.pointer(pointer).is_some(), "{reference} is missing");
    }
}

#[test]
fn it_knows_the_plugins_and_the_keys() {
    let schema = schema(&Catalog::default());
    let spellings = schema["$defs"]["PluginSpelling"]["enum"].as_array().unwrap();
    for spelling in ["metrics", "plugin-metrics", "@buntime/plugin-metrics", "@acme/plugin-audit"] {
        assert!(spellings.contains(&Value::from(spelling)), "{spelling}");
    }
    let entry = &schema["$defs"]["gateway.entry"]["properties"];
    assert!(entry["rateLimit"].is_object() && entry["base"].is_object());
    assert_eq!(schema["additionalProperties"], Value::Bool(false));
    for key in ["$schema", "server", "plugins", "services", "consumers", "workspaces"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str() {
                    Some(reference) if key == "$ref" => references.push(reference.to_owned()),
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
