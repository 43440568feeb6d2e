//! Other spellings in the schema: those of `TrustGate`'s `external_api` mean the same.

use schemars::Schema;
use serde_json::{Value, json};

/// Those of a call.
pub(crate) fn call_aliases(schema: &mut Schema) {
    add(schema, &[("field_maps", "fieldMaps"), ("query_params", "queryParams")]);
}

/// Those of a condition.
pub(crate) fn condition_aliases(schema: &mut Schema) {
    add(schema, &[("stop_flow", "stopFlow")]);
}

fn add(schema: &mut Schema, aliases: &[(&str, &str)]) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (alias, name) in aliases {
        if let Some(mut property) = properties.get(*name).cloned() {
            if let Some(property) = property.as_object_mut() {
                property.insert("description".to_owned(), json!(format!("The same as `{name}`.")));
            }
            properties.insert((*alias).to_owned(), property);
        }
    }
}
