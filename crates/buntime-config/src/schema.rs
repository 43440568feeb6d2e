//! The JSON schema of the whole file, with the settings of every plugin the catalog knows, for editors.

use buntime_core::metadata::PluginName;
use serde_json::{Map, Value, json};

use crate::{
    catalog::PluginCatalog,
    load::CONFIG_SCHEMA,
    model::{ENTRY_DEFINITION, OPTIONS_SCHEMA},
};

/// The schema of `buntime.jsonc`, draft 2020-12.
pub fn schema(catalog: &dyn PluginCatalog) -> Value {
    let mut root = CONFIG_SCHEMA.clone();
    let mut definitions = Map::new();
    adopt(&OPTIONS_SCHEMA, "", &mut definitions);
    let options = own_definition(&OPTIONS_SCHEMA, "");
    let mut names = catalog.names();
    names.sort();
    let mut spellings = Vec::new();
    let mut branches = vec![json!({ "$ref": "#/$defs/PluginSpelling" })];
    for name in names {
        spellings.extend(spellings_of(&name));
        branches.extend(entry_branches(&name, catalog, &options, &mut definitions));
    }
    definitions.insert(
        "PluginSpelling".to_owned(),
        json!({ "description": "A plugin by its name, with the settings it has by itself.", "enum": spellings }),
    );
    definitions.insert(
        ENTRY_DEFINITION.to_owned(),
        json!({ "description": "A plugin: its name, [name, settings], or the long form.", "anyOf": branches }),
    );
    if let Some(target) = root.get_mut("$defs").and_then(Value::as_object_mut) {
        for (name, definition) in definitions {
            target.insert(name, definition);
        }
        target.sort_keys();
    }
    root
}

fn spellings_of(name: &PluginName) -> Vec<String> {
    let mut spellings = vec![name.package(), name.as_str().to_owned()];
    if !name.as_str().contains('/') {
        spellings.insert(1, format!("plugin-{name}"));
    }
    spellings
}

/// `[name, settings]` and the long form of one plugin.
fn entry_branches(
    name: &PluginName,
    catalog: &dyn PluginCatalog,
    options: &Value,
    definitions: &mut Map<String, Value>,
) -> [Value; 2] {
    let prefix = format!("{}.", name.as_str().replace(['/', '@'], "_"));
    let settings = catalog.settings_schema(name).unwrap_or_else(|| json!({ "type": "object" }));
    adopt(&settings, &prefix, definitions);
    let own = own_definition(&settings, &prefix);
    let spelled = json!({ "enum": spellings_of(name) });
    let together = with_options(&own, options);
    let (own_name, together_name) = (format!("{prefix}settings"), format!("{prefix}entry"));
    definitions.insert(own_name.clone(), own);
    definitions.insert(together_name.clone(), together);
    let mut long = options.clone();
    if let Some(properties) = long["properties"].as_object_mut() {
        properties.insert("name".to_owned(), spelled.clone());
        properties.insert("config".to_owned(), json!({ "$ref": format!("#/$defs/{own_name}") }));
    }
    long["required"] = json!(["name"]);
    let tuple = json!({
        "type": "array",
        "prefixItems": [spelled, { "$ref": format!("#/$defs/{together_name}") }],
        "minItems": 1,
        "maxItems": 2,
    });
    [tuple, long]
}

/// A plugin's settings and the keys any entry takes in one object.
fn with_options(own: &Value, options: &Value) -> Value {
    if own["properties"].is_object() || own["type"] == "object" {
        let mut together = own.clone();
        if !together["properties"].is_object() {
            together["properties"] = json!({});
        }
        if let (Some(target), Some(keys)) = (together["properties"].as_object_mut(), options["properties"].as_object())
        {
            for (key, value) in keys {
                target.insert(key.clone(), value.clone());
            }
        }
        return together;
    }
    // Settings that are no plain object cannot be widened; the editor then only checks that it is an object.
    json!({ "type": "object", "description": own["description"] })
}

/// A schema without its definitions and its draft, its references renamed.
fn own_definition(schema: &Value, prefix: &str) -> Value {
    let mut own = schema.clone();
    if let Some(keywords) = own.as_object_mut() {
        keywords.shift_remove("$defs");
        keywords.shift_remove("$schema");
    }
    rename(&mut own, prefix);
    own
}

/// Takes over the definitions of a schema under names that no other schema has.
fn adopt(schema: &Value, prefix: &str, definitions: &mut Map<String, Value>) {
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        let mut definition = definition.clone();
        rename(&mut definition, prefix);
        definitions.insert(format!("{prefix}{name}"), definition);
    }
}

fn rename(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(reference) if key == "$ref" => {
                        if let Some(name) = reference.strip_prefix("#/$defs/") {
                            *reference = format!("#/$defs/{prefix}{name}");
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
