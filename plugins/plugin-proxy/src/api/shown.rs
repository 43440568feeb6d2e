//! Rules as the API shows them: as they were written, with what is known of them; the values of header fields may be
//! secrets and are not shown.

use serde_json::{Map, Value, json};

use super::MASK;
use crate::{
    dynamic::Dynamic,
    rule::Rule,
    table::{Entry, Table},
};

/// Every rule, in the order in which they are tried.
pub(super) fn all(table: &Table) -> Vec<Value> {
    let statics = table.statics().iter().map(|entry| of_file(entry));
    statics.chain(table.dynamic().iter().map(of_database)).collect()
}

/// A rule of the configuration file.
pub(super) fn of_file(entry: &Entry) -> Value {
    let mut shown = settings(&entry.rule);
    shown.insert("enabled".to_owned(), json!(true));
    shown.insert("readonly".to_owned(), json!(true));
    Value::Object(shown)
}

/// A rule of the database.
pub(super) fn of_database(rule: &Dynamic) -> Value {
    let mut shown = match &rule.rule {
        Ok(entry) => settings(&entry.rule),
        Err(problem) => {
            let mut shown = Map::new();
            shown.insert("id".to_owned(), json!(rule.id));
            shown.insert("problem".to_owned(), json!(problem));
            shown
        }
    };
    shown.insert("enabled".to_owned(), json!(rule.enabled));
    shown.insert("readonly".to_owned(), json!(false));
    shown.insert("version".to_owned(), json!(rule.version));
    Value::Object(shown)
}

fn settings(rule: &Rule) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(rule.id()));
    shown.insert("name".to_owned(), json!(rule.name()));
    if let Ok(Value::Object(settings)) = serde_json::to_value(rule.settings()) {
        for (key, value) in settings {
            shown.entry(key).or_insert(value);
        }
    }
    if let Some(problem) = rule.leads.problem() {
        shown.insert("problem".to_owned(), json!(problem));
    }
    if let Some(Value::Object(headers)) = shown.get_mut("headers") {
        headers.values_mut().for_each(|value| *value = json!(MASK));
    }
    shown
}

/// What a shell needs to embed a rule's upstream, if it may.
pub(super) fn fragment(rule: &Rule) -> Option<Value> {
    let fragment = rule.settings().fragment.as_ref()?;
    Some(json!({
        "id": rule.id(),
        "name": rule.name(),
        "pattern": rule.pattern().as_str(),
        "base": rule.settings().base,
        "origin": rule.draft.origin(),
        "sandbox": fragment.sandbox,
        "allowMessageBus": fragment.allow_message_bus,
        "preloadStyles": fragment.preload_styles,
    }))
}
