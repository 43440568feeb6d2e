//! Settings of several levels as one value, and which level said what.
//!
//! JSON merge patch (RFC 7396), from general to specific: objects merge, `null` takes a key away, other values are
//! replaced. Beyond it, lists whose entries have names merge by name; an entry without one is named by its position,
//! and a single object where the other level has a list is the entry named `default`. An empty list has no names, so
//! it replaces.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The entry that a single object stands for where a list is allowed.
pub const DEFAULT_ENTRY: &str = "default";

/// A value made of several levels. A level is a number; a bigger one is more specific.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    value: Value,
    said: Said,
}

/// Who said it: one level for all of it, or its members apart. Those of a list go by name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    All(usize),
    Members(BTreeMap<String, Said>),
}

impl Said {
    fn latest(&self) -> usize {
        match self {
            Self::All(level) => *level,
            Self::Members(members) => members.values().map(Self::latest).max().unwrap_or(0),
        }
    }

    /// Its members, each said by whoever said the whole.
    fn apart<'k>(&mut self, keys: impl Iterator<Item = &'k str>) -> &mut BTreeMap<String, Self> {
        if let Self::All(level) = *self {
            *self = Self::Members(keys.map(|key| (key.to_owned(), Self::All(level))).collect());
        }
        match self {
            Self::Members(members) => members,
            Self::All(_) => unreachable!("it was just taken apart"),
        }
    }
}

impl Merged {
    /// What the first level says.
    pub fn new(value: &Value, level: usize) -> Self {
        let mut merged = Self { value: Value::Object(Map::new()), said: Said::Members(BTreeMap::new()) };
        merged.lay(value, level);
        merged
    }

    /// Lays what a more specific level says over it.
    pub fn lay(&mut self, patch: &Value, level: usize) {
        lay(&mut self.value, &mut self.said, patch, level);
    }

    /// All together.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// All together.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The most specific level that said anything at or below a JSON pointer. Entries of named lists are found by name
    /// or by position. What nobody said, a default, counts as said with what is around it.
    pub fn level(&self, pointer: &str) -> usize {
        let (mut said, mut value) = (&self.said, Some(&self.value));
        for token in pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")) {
            let Said::Members(members) = said else { break };
            let by_name = members.get(&token);
            let items = value.and_then(Value::as_array);
            let at = token.parse::<usize>().ok();
            let by_position = || {
                let index = at?;
                members.get(&name_of(items?.get(index)?, index))
            };
            let Some(next) = by_name.or_else(by_position) else { break };
            value = match value {
                Some(Value::Array(items)) => {
                    items.iter().enumerate().find(|(i, item)| name_of(item, *i) == token || Some(*i) == at).map(|f| f.1)
                }
                Some(value) => value.get(&token),
                None => None,
            };
            said = next;
        }
        said.latest()
    }

    /// Every value that one level said, as a JSON pointer and that level.
    pub fn parts(&self) -> Vec<(String, usize)> {
        let mut parts = Vec::new();
        collect(&self.said, String::new(), &mut parts);
        parts
    }
}

fn collect(said: &Said, pointer: String, parts: &mut Vec<(String, usize)>) {
    match said {
        Said::All(level) => parts.push((pointer, *level)),
        Said::Members(members) => {
            for (key, said) in members {
                collect(said, format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), parts);
            }
        }
    }
}

fn lay(value: &mut Value, said: &mut Said, patch: &Value, level: usize) {
    let several = |value: &Value| value.is_array() || value.is_object();
    if let (Value::Object(table), Value::Object(patch)) = (&mut *value, patch) {
        lay_table(table, said, patch, level);
    } else if several(value) && several(patch) && *patch != Value::Array(Vec::new()) && (named(value) || named(patch)) {
        lay_list(value, said, patch, level);
    } else {
        *value = without_nulls(patch);
        *said = Said::All(level);
    }
}

fn lay_table(table: &mut Map<String, Value>, said: &mut Said, patch: &Map<String, Value>, level: usize) {
    let members = said.apart(table.keys().map(String::as_str));
    for (key, patch) in patch {
        if patch.is_null() {
            table.shift_remove(key);
            members.remove(key);
            continue;
        }
        match table.get_mut(key) {
            Some(value) => lay(value, members.entry(key.clone()).or_insert(Said::All(level)), patch, level),
            None => {
                table.insert(key.clone(), without_nulls(patch));
                members.insert(key.clone(), Said::All(level));
            }
        }
    }
}

fn lay_list(value: &mut Value, said: &mut Said, patch: &Value, level: usize) {
    // A single object becomes the entry it stands for, and who said it comes along.
    if value.is_object() {
        let entry = std::mem::take(value);
        let of_entry = std::mem::replace(said, Said::All(level));
        *said = Said::Members(BTreeMap::from([(DEFAULT_ENTRY.to_owned(), of_entry)]));
        *value = Value::Array(vec![with_name(entry, DEFAULT_ENTRY)]);
    }
    let Value::Array(items) = value else { return };
    let names: Vec<String> = items.iter().enumerate().map(|(index, item)| name_of(item, index)).collect();
    let members = said.apart(names.iter().map(String::as_str));
    let single = patch.is_object();
    let patches = match patch {
        Value::Array(patches) => patches.as_slice(),
        single => std::slice::from_ref(single),
    };
    for (index, patch) in patches.iter().enumerate() {
        let name = if single && patch.get("name").is_none() { DEFAULT_ENTRY.to_owned() } else { name_of(patch, index) };
        match names.iter().position(|known| *known == name) {
            Some(at) => lay(&mut items[at], members.entry(name).or_insert(Said::All(level)), patch, level),
            None => {
                let entry = without_nulls(patch);
                items.push(if single { with_name(entry, &name) } else { entry });
                members.insert(name, Said::All(level));
            }
        }
    }
}

/// A list of objects one of which has a name.
fn named(value: &Value) -> bool {
    value.as_array().is_some_and(|items| {
        items.iter().all(Value::is_object) && items.iter().any(|item| item.get("name").is_some_and(Value::is_string))
    })
}

fn name_of(entry: &Value, index: usize) -> String {
    entry.get("name").and_then(Value::as_str).map_or_else(|| index.to_string(), str::to_owned)
}

fn with_name(mut entry: Value, name: &str) -> Value {
    if let Some(table) = entry.as_object_mut() {
        table.entry("name").or_insert_with(|| Value::String(name.to_owned()));
    }
    entry
}

/// What a patch makes of nothing.
fn without_nulls(patch: &Value) -> Value {
    match patch {
        Value::Object(table) => {
            let said = table.iter().filter(|(_, value)| !value.is_null());
            Value::Object(said.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn merged(levels: &[Value]) -> Merged {
        let mut levels = levels.iter().enumerate();
        let mut merged = Merged::new(levels.next().unwrap().1, 0);
        levels.for_each(|(level, value)| merged.lay(value, level));
        merged
    }

    #[test]
    fn objects_merge_and_other_values_are_replaced() {
        let all = merged(&[
            json!({ "a": { "b": 1, "c": [1, 2] }, "d": "x", "e": 1 }),
            json!({ "a": { "c": [3] }, "d": null, "f": { "g": null, "h": 1 } }),
        ]);
        assert_eq!(*all.value(), json!({ "a": { "b": 1, "c": [3] }, "e": 1, "f": { "h": 1 } }));
        assert_eq!((all.level("/a/b"), all.level("/a/c"), all.level("/a"), all.level("/e")), (0, 1, 1, 0));
        assert_eq!(all.level("/f/h"), 1);
    }

    #[test]
    fn lists_with_names_merge_by_name() {
        let all = merged(&[
            json!({ "rateLimit": [{ "name": "burst", "requests": 10, "window": "1s" }, { "requests": 5 }] }),
            json!({ "rateLimit": [{ "name": "burst", "requests": 20 }] }),
            json!({ "rateLimit": [{ "name": "day", "requests": 1000 }, { "window": "1h" }] }),
        ]);
        let expected = json!({ "rateLimit": [
            { "name": "burst", "requests": 20, "window": "1s" }, { "requests": 5, "window": "1h" },
            { "name": "day", "requests": 1000 } ] });
        assert_eq!(*all.value(), expected);
        let level = |entry: &str| all.level(&format!("/rateLimit/{entry}"));
        assert_eq!((level("burst"), level("1"), level("day"), level("0"), level("2")), (1, 2, 2, 1, 2));
        assert_eq!(all.level("/rateLimit/0/window"), 0);
    }

    #[test]
    fn a_single_object_is_the_entry_named_default() {
        let list = json!({ "rateLimit": [{ "name": "burst", "requests": 1 }] });
        let single = json!({ "rateLimit": { "requests": 100, "window": "1m" } });
        let both = merged(&[single.clone(), list, json!({ "rateLimit": { "requests": 7 } })]);
        let expected = json!({ "rateLimit": [
            { "requests": 7, "window": "1m", "name": "default" }, { "name": "burst", "requests": 1 } ] });
        assert_eq!(*both.value(), expected);
        assert_eq!((both.level("/rateLimit/default"), both.level("/rateLimit/default/window")), (2, 0));
        assert_eq!(both.level("/rateLimit/burst"), 1);
        // Two single objects stay one.
        let single = merged(&[single, json!({ "rateLimit": { "requests": 1 } })]);
        assert_eq!(*single.value(), json!({ "rateLimit": { "requests": 1, "window": "1m" } }));
    }

    #[test]
    fn lists_without_names_are_replaced_and_so_is_any_by_an_empty_one() {
        let all =
            merged(&[json!({ "a": [{ "x": 1 }], "b": [{ "name": "n" }] }), json!({ "a": [{ "y": 2 }], "b": [] })]);
        assert_eq!(*all.value(), json!({ "a": [{ "y": 2 }], "b": [] }));
    }

    /// RFC 7396, as it is written there.
    fn patched(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut table = match target {
            Value::Object(table) => table,
            _ => Map::new(),
        };
        for (key, value) in patch {
            if value.is_null() {
                table.shift_remove(key);
            } else {
                let before = table.get(key).cloned().unwrap_or(Value::Null);
                table.insert(key.clone(), patched(before, value));
            }
        }
        Value::Object(table)
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..5).prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(0..3, 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn table() -> impl Strategy<Value = Value> {
        proptest::collection::btree_map("[a-d]", json_value(), 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn without_names_it_is_the_merge_patch_of_the_rfc(base in table(), patch in table()) {
            let base = patched(Value::Object(Map::new()), &base);
            let mut merged = Merged::new(&base, 0);
            merged.lay(&patch, 1);
            prop_assert_eq!(merged.value(), &patched(base, &patch));
        }

        #[test]
        fn what_a_level_said_last_is_its_own(base in table(), patch in table()) {
            let mut merged = Merged::new(&base, 0);
            merged.lay(&patch, 1);
            for (pointer, level) in merged.parts() {
                let said = patch.pointer(&pointer).is_some_and(|value| !value.is_null());
                prop_assert_eq!(level == 1, said, "{}", pointer);
            }
        }
    }
}
