//! `BUNTIME_PLUGIN_<NAME>_<KEY>`: one setting of a plugin. `__` goes a level deeper.
//!
//! The name is the longest plugin name that fits; a key is found in the plugin's schema, its settings or among the keys
//! any entry takes, whatever its case and underscores, and is written in camelCase otherwise. A value is JSON if it
//! parses, else a string; where the schema wants a string it stays one.

use buntime_core::{metadata::PluginName, options::EntryOptions};
use serde_json::Value;

use crate::{
    diagnostics::Diagnostic,
    entries::{Entries, EntryParts, suggest_plugin},
    env::Env,
    mask,
    tree::{Data, Node, Path, Place},
};

const PREFIX: &str = "BUNTIME_PLUGIN_";

pub(crate) fn apply(root: &mut Node, env: &dyn Env, entries: &Entries<'_>, out: &mut Vec<Diagnostic>) {
    let mut names: Vec<String> = env.names().into_iter().filter(|name| name.starts_with(PREFIX)).collect();
    names.sort();
    for variable in names {
        if let Some(value) = env.var(&variable)
            && let Err(problem) = one(root, &variable, &value, entries)
        {
            out.push(problem);
        }
    }
}

fn one(root: &mut Node, variable: &str, value: &str, entries: &Entries<'_>) -> Result<(), Diagnostic> {
    let place = Place::variable(variable);
    let error = |message: String| Diagnostic::error(&place, &Path::default(), message);
    let rest = &variable[PREFIX.len()..];
    let listed = root.list("plugins").iter().filter_map(|node| EntryParts::of(node)?.plugin());
    let known: Vec<PluginName> = listed.chain(entries.names().iter().cloned()).collect();
    let Some((name, keys)) = split(rest, &known) else {
        let guess = rest.split('_').next().unwrap_or_default();
        return Err(error("this names no plugin that is known".to_owned()).maybe_help(suggest_plugin(
            guess,
            entries.names(),
            "known plugins",
        )));
    };
    let keys: Vec<&str> = keys.split("__").collect();
    if keys.iter().any(|key| key.trim_matches('_').is_empty()) {
        return Err(error(format!("write the setting behind the name: {PREFIX}{}_KEY", shout(name.as_str()))));
    }
    let schema = entries.schema(&name);
    let Some(entry) = entry_of(root, &name, &place) else {
        return Err(error(format!("the plugin `{name}` is not listed, so this does nothing")).warning());
    };
    put(entry, &keys, value, schema.as_deref(), &place, mask::is_secret_name(variable));
    Ok(())
}

/// The plugin whose name `rest` begins with, and the key behind it.
fn split<'r>(rest: &'r str, known: &[PluginName]) -> Option<(PluginName, &'r str)> {
    let rest_upper = rest.to_ascii_uppercase();
    known
        .iter()
        .filter_map(|name| {
            let shouted = shout(name.as_str());
            let key = rest_upper.strip_prefix(&shouted)?.strip_prefix('_')?;
            Some((shouted.len(), name, &rest[rest.len() - key.len()..]))
        })
        .max_by_key(|(length, _, _)| *length)
        .map(|(_, name, key)| (name.clone(), key))
}

/// `ip-restriction` → `IP_RESTRICTION`.
fn shout(name: &str) -> String {
    let bare = name.trim_start_matches('@');
    bare.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The gateway's entry of a plugin, as `[name, settings]` or in the long form.
fn entry_of<'n>(root: &'n mut Node, name: &PluginName, place: &Place) -> Option<&'n mut Node> {
    let Data::Table(members) = &mut root.data else { return None };
    let list = members.iter_mut().find(|member| member.key == "plugins")?;
    let Data::List(items) = &mut list.value.data else { return None };
    let is_it = |node: &Node| EntryParts::of(node).and_then(|parts| parts.plugin()).as_ref() == Some(name);
    let entry = items.iter_mut().find(|node| is_it(node))?;
    if matches!(entry.data, Data::Text(_)) {
        let name = entry.clone();
        entry.data = Data::List(vec![name]);
    }
    if let Data::List(parts) = &mut entry.data
        && parts.len() == 1
    {
        parts.push(Node::empty_table(place.clone()));
    }
    Some(entry)
}

/// The object in an entry that a top-level key belongs to.
fn table_of<'n>(entry: &'n mut Node, is_common: bool, place: &Place) -> Option<&'n mut Node> {
    if matches!(entry.data, Data::Table(_)) {
        return if is_common { Some(entry) } else { entry.table_mut("config", place) };
    }
    match &mut entry.data {
        Data::List(parts) => parts.get_mut(1),
        _ => None,
    }
}

fn put(entry: &mut Node, keys: &[&str], value: &str, schema: Option<&Value>, place: &Place, secret: bool) {
    let [first, deeper @ ..] = keys else { return };
    let common = find_key(first, EntryOptions::KEYS.into_iter());
    let own = schema.and_then(|schema| schema["properties"].as_object());
    // The common keys stand among the properties for suggestions; they are no settings.
    let is_own = own.is_some_and(|own| {
        find_key(first, own.keys().map(String::as_str).filter(|key| !EntryOptions::KEYS.contains(key))).is_some()
    });
    let Some(mut table) = table_of(entry, common.is_some() && !is_own, place) else { return };
    let mut at = schema.map(|schema| (schema, schema));
    let mut key = key_name(first, table, at);
    at = at.and_then(|(root, schema)| below(root, schema, &key));
    for next in deeper {
        let Some(inner) = table.table_mut(&key, place) else { return };
        table = inner;
        key = key_name(next, table, at);
        at = at.and_then(|(root, schema)| below(root, schema, &key));
    }
    let mut node = Node::outside(place, read(value, at.map(|(_, schema)| schema)));
    node.tainted = secret;
    table.set(&key, node);
}

/// JSON if it parses, else a string; a string where only a string will do.
fn read(value: &str, schema: Option<&Value>) -> Value {
    let text = || Value::String(value.to_owned());
    let wants_text = schema.is_some_and(|schema| {
        let types = &schema["type"];
        *types == "string"
            || types.as_array().is_some_and(|types| types.iter().all(|name| name == "string" || name == "null"))
    });
    match serde_json::from_str::<Value>(value) {
        Ok(Value::String(inner)) => Value::String(inner),
        Ok(_) if wants_text => text(),
        Ok(value) => value,
        Err(_) => text(),
    }
}

fn key_name(word: &str, table: &Node, at: Option<(&Value, &Value)>) -> String {
    let known = at.and_then(|(_, schema)| schema["properties"].as_object());
    let known = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
    let there = table.members().iter().map(|member| member.key.as_str());
    find_key(word, known.chain(there).chain(EntryOptions::KEYS)).map_or_else(|| camel(word), str::to_owned)
}

fn find_key<'k>(word: &str, mut keys: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let fold =
        |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let wanted = fold(word);
    keys.find(|key| fold(key) == wanted)
}

/// `SSE_INTERVAL` → `sseInterval`.
fn camel(word: &str) -> String {
    let mut words = word.split('_').filter(|part| !part.is_empty()).map(str::to_ascii_lowercase);
    let mut name = words.next().unwrap_or_default();
    for part in words {
        let (first, rest) = part.split_at(part.chars().next().map_or(0, char::len_utf8));
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

/// The schema of a key, through references and optional values.
fn below<'s>(root: &'s Value, schema: &'s Value, key: &str) -> Option<(&'s Value, &'s Value)> {
    let mut found = schema["properties"].get(key)?;
    for _ in 0..8 {
        if let Some(reference) = found["$ref"].as_str() {
            found = root.pointer(reference.strip_prefix('#')?)?;
        } else if let Some(branches) = found["anyOf"].as_array() {
            let is_null = |branch: &Value| branch["type"] == "null";
            match branches.iter().filter(|branch| !is_null(branch)).collect::<Vec<_>>().as_slice() {
                [only] => found = only,
                _ => break,
            }
        } else {
            break;
        }
    }
    Some((root, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys() {
        let known = ["ip", "ip-restriction", "metrics"].map(PluginName::new);
        assert_eq!(split("IP_RESTRICTION_DENY", &known), Some((PluginName::new("ip-restriction"), "DENY")));
        assert_eq!(split("IP_X", &known), Some((PluginName::new("ip"), "X")));
        assert_eq!(split("NONE_X", &known), None);
        assert_eq!(camel("SSE_INTERVAL"), "sseInterval");
        assert_eq!(camel("TTL"), "ttl");
    }

    #[test]
    fn values() {
        let text = serde_json::json!({ "type": "string" });
        assert_eq!(read("5", None), Value::from(5));
        assert_eq!(read("5", Some(&text)), Value::from("5"));
        assert_eq!(read("\"5\"", None), Value::from("5"));
        assert_eq!(read("a b", None), Value::from("a b"));
        assert_eq!(read("[\"a\"]", None), serde_json::json!(["a"]));
    }
}
