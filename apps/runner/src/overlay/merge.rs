//! The file's plugin entries and the overlay's changes in one list.

use buntime_config::PluginEntry;
use buntime_core::{
    PluginName,
    options::{EntryOptions, Placement, Priority},
};
use serde_json::{Map, Value};

use super::{Change, Key, Overlay};

/// The entries in force. `since` is the version at which the file was last loaded: later changes win over it.
pub(crate) fn merge(file: &[PluginEntry], overlay: &Overlay, since: i64) -> Vec<PluginEntry> {
    let mut entries = file.to_vec();
    let mut added: Vec<&Change> = overlay.changes.iter().filter(|change| change.key == Key::Added).collect();
    added.sort_by_key(|change| change.version);
    for change in added {
        if !file.iter().any(|entry| entry.name == change.plugin) {
            entries.push(PluginEntry::new(&change.plugin.package(), Value::Object(Map::new())));
        }
    }
    for entry in &mut entries {
        let said = file.iter().find(|listed| listed.name == entry.name);
        let name = entry.name.clone();
        for change in overlay.of(&name) {
            if change.version > since || !said.is_some_and(|listed| says(listed, &change.key)) {
                put(entry, change);
            }
        }
    }
    entries
}

/// The keys of a plugin that the file speaks of too, and so wins at the next start, among those that were changed.
pub(crate) fn overruled(file: &[PluginEntry], overlay: &Overlay, plugin: &PluginName) -> Vec<String> {
    let Some(listed) = file.iter().find(|entry| entry.name == *plugin) else { return Vec::new() };
    overlay.of(plugin).filter(|change| says(listed, &change.key)).map(|change| change.key.to_string()).collect()
}

/// Does an entry of the file say something about a key? Merely listing a plugin says nothing.
fn says(entry: &PluginEntry, key: &Key) -> bool {
    let options = &entry.options;
    match key {
        Key::Added => false,
        Key::Enabled => options.enabled.is_some(),
        Key::Placement => options.placement.is_some(),
        Key::Order => options.order.is_some(),
        Key::Priority => options.priority.is_some(),
        Key::Config(key) => entry.settings.get(key).is_some(),
    }
}

/// What is kept was checked before it was kept; a value of a newer program that makes no sense here is left out.
fn put(entry: &mut PluginEntry, change: &Change) {
    let EntryOptions { enabled, placement, order, priority, .. } = &mut entry.options;
    match &change.key {
        Key::Added => {}
        Key::Enabled => *enabled = change.value.as_bool().or(*enabled),
        Key::Placement => *placement = read::<Placement>(&change.value).or(*placement),
        Key::Order => *order = read::<i32>(&change.value).or(*order),
        Key::Priority => *priority = read::<Priority>(&change.value).or(*priority),
        Key::Config(key) => put_setting(&mut entry.settings, key, &change.value),
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

fn put_setting(settings: &mut Value, key: &str, patch: &Value) {
    if !settings.is_object() {
        *settings = Value::Object(Map::new());
    }
    let Some(table) = settings.as_object_mut() else { return };
    if patch.is_null() {
        table.shift_remove(key);
    } else {
        merge_patch(table.entry(key).or_insert(Value::Null), patch);
    }
}

/// RFC 7396.
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(table) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            table.shift_remove(key);
        } else {
            merge_patch(table.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// The patch that does what `first` and then `then` would. Unlike [`merge_patch`] it keeps the nulls.
pub(crate) fn join_patches(first: &mut Value, then: &Value) {
    match (first, then) {
        (Value::Object(first), Value::Object(then)) => {
            for (key, value) in then {
                match first.get_mut(key) {
                    Some(before) => join_patches(before, value),
                    None => {
                        first.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (first, then) => *first = then.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn overlay(version: i64, changes: &[(&str, &str, Value, i64)]) -> Overlay {
        let changes = changes.iter().map(|(plugin, key, value, version)| Change {
            plugin: PluginName::new(plugin),
            key: Key::parse(key).unwrap(),
            value: value.clone(),
            version: *version,
        });
        Overlay { version, changes: changes.collect() }
    }

    fn listed(name: &str, settings: Value) -> PluginEntry {
        PluginEntry::new(name, settings)
    }

    #[test]
    fn listing_alone_says_nothing_of_enabled() {
        let file = [listed("metrics", json!({}))];
        let overlay = overlay(1, &[("metrics", "enabled", json!(false), 1)]);
        let merged = merge(&file, &overlay, 1);
        assert_eq!(merged[0].options.enabled, Some(false));
        assert!(overruled(&file, &overlay, &merged[0].name).is_empty());
    }

    #[test]
    fn the_file_wins_once_it_was_loaded_after_the_change() {
        let file = [listed("metrics", json!({ "a": 1 }))];
        let overlay = overlay(2, &[("metrics", "config/a", json!(2), 1), ("metrics", "config/b", json!(3), 2)]);
        assert_eq!(merge(&file, &overlay, 0)[0].settings, json!({ "a": 2, "b": 3 }));
        assert_eq!(merge(&file, &overlay, 2)[0].settings, json!({ "a": 1, "b": 3 }));
        assert_eq!(overruled(&file, &overlay, &file[0].name), ["config/a"]);
    }

    #[test]
    fn added_plugins_come_last_in_the_order_they_were_added() {
        let file = [listed("metrics", json!({}))];
        let overlay = overlay(
            3,
            &[("b", "added", json!(true), 2), ("a", "added", json!(true), 3), ("metrics", "added", json!(true), 1)],
        );
        let names: Vec<_> = merge(&file, &overlay, 3).into_iter().map(|entry| entry.name.to_string()).collect();
        assert_eq!(names, ["metrics", "b", "a"]);
    }

    #[test]
    fn patches() {
        let mut target = json!({ "a": { "b": 1, "c": 2 }, "d": 3 });
        merge_patch(&mut target, &json!({ "a": { "b": null, "e": { "f": null, "g": 1 } }, "d": [1] }));
        assert_eq!(target, json!({ "a": { "c": 2, "e": { "g": 1 } }, "d": [1] }));
        let mut first = json!({ "a": { "b": 1 } });
        join_patches(&mut first, &json!({ "a": { "b": null, "c": 2 } }));
        assert_eq!(first, json!({ "a": { "b": null, "c": 2 } }));
    }
}
