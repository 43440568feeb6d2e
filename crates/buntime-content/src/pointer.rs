//! JSON Pointers (RFC 6901), and what is done to a document by them.

use std::fmt;

use serde_json::{Map, Value};

/// A JSON Pointer: empty for the whole document, else `/` before each step. `-` is the place behind a list's end.
#[derive(Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

/// A text that is no pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPointer {
    /// It does not begin with `/`.
    #[error("it begins with `/`, or is empty for the whole")]
    Begin,
    /// A `~` means nothing.
    #[error("`~` is written `~0` and `/` within a name `~1`")]
    Escape,
    /// Nobody needs so many steps.
    #[error("it has more than 100 steps")]
    Long,
}

/// Why something cannot be put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is above it is no object or list that has such a place")]
pub struct NoPlace;

impl Pointer {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<Self, BadPointer> {
        let Some(steps) = text.strip_prefix('/') else {
            return if text.is_empty() { Ok(Self(Vec::new())) } else { Err(BadPointer::Begin) };
        };
        let steps: Vec<String> = steps.split('/').map(unescaped).collect::<Option<_>>().ok_or(BadPointer::Escape)?;
        if steps.len() > 100 { Err(BadPointer::Long) } else { Ok(Self(steps)) }
    }

    /// Is it the whole document?
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Is `other` somewhere below this, or the same?
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// What is there.
    pub fn get<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(document, |value, step| match value {
            Value::Object(object) => object.get(step),
            Value::Array(list) => list.get(index(step)?),
            _ => None,
        })
    }

    fn get_mut<'v>(steps: &[String], document: &'v mut Value) -> Option<&'v mut Value> {
        steps.iter().try_fold(document, |value, step| match value {
            Value::Object(object) => object.get_mut(step),
            Value::Array(list) => list.get_mut(index(step)?),
            _ => None,
        })
    }

    /// Puts a value there: over what is there, or anew. Objects above it that are missing are made; a list takes an index
    /// that it has, the next one, or `-`.
    ///
    /// # Errors
    /// There is no such place; the document is as it was, but for objects that were made.
    pub fn set(&self, document: &mut Value, value: Value) -> Result<(), NoPlace> {
        let mut place = document;
        for step in &self.0 {
            place = match place {
                Value::Object(object) => object.entry(step.as_str()).or_insert_with(|| Value::Object(Map::new())),
                Value::Array(list) => {
                    let at = if step == "-" { list.len() } else { index(step).ok_or(NoPlace)? };
                    if at == list.len() {
                        list.push(Value::Object(Map::new()));
                    }
                    list.get_mut(at).ok_or(NoPlace)?
                }
                _ => return Err(NoPlace),
            };
        }
        *place = value;
        Ok(())
    }

    /// Takes away what is there, and answers it. The whole document leaves `null`.
    pub fn remove(&self, document: &mut Value) -> Option<Value> {
        let Some((last, above)) = self.0.split_last() else { return Some(document.take()) };
        match Self::get_mut(above, document)? {
            Value::Object(object) => object.shift_remove(last),
            Value::Array(list) => index(last).filter(|at| *at < list.len()).map(|at| list.remove(at)),
            _ => None,
        }
    }

    /// Gives an entry of an object another name, in its place; one that has that name already is gone. Answers whether
    /// there was such an entry.
    pub fn rename(&self, document: &mut Value, name: &str) -> bool {
        let Some((last, above)) = self.0.split_last() else { return false };
        let Some(Value::Object(object)) = Self::get_mut(above, document) else { return false };
        if last == name || !object.contains_key(last) {
            return object.contains_key(last);
        }
        let entries = std::mem::take(object).into_iter().filter(|(key, _)| key != name);
        *object = entries.map(|(key, value)| (if key == *last { name.to_owned() } else { key }, value)).collect();
        true
    }

    /// Changes what is there, if something is.
    pub fn update<T>(&self, document: &mut Value, change: impl FnOnce(&mut Value) -> T) -> Option<T> {
        Self::get_mut(&self.0, document).map(change)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pointer({self})")
    }
}

/// Digits, without a zero in front.
fn index(step: &str) -> Option<usize> {
    let plain = step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    plain.then(|| step.parse().ok()).flatten()
}

fn unescaped(step: &str) -> Option<String> {
    let mut out = String::with_capacity(step.len());
    let mut chars = step.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn pointer(text: &str) -> Pointer {
        Pointer::new(text).unwrap()
    }

    fn set(at: &str, mut document: Value) -> Result<Value, NoPlace> {
        pointer(at).set(&mut document, json!(1)).map(|()| document)
    }

    #[test]
    fn values_are_put_over_and_anew() {
        assert_eq!(set("", json!({})), Ok(json!(1)));
        assert_eq!(set("/a/b", json!({})), Ok(json!({ "a": { "b": 1 } })));
        assert_eq!(set("/a/b", json!({ "a": { "b": 2, "c": 3 } })), Ok(json!({ "a": { "b": 1, "c": 3 } })));
        assert_eq!(set("/a/-", json!({ "a": [0] })), Ok(json!({ "a": [0, 1] })));
        assert_eq!(set("/a/1/x", json!({ "a": [0] })), Ok(json!({ "a": [0, { "x": 1 }] })));
        assert_eq!(set("/a/0", json!({ "a": [0] })), Ok(json!({ "a": [1] })));
        for (at, document) in [
            ("/a/2", json!({ "a": [0] })),
            ("/a/x", json!({ "a": [] })),
            ("/a/b", json!({ "a": 1 })),
            ("/a/01", json!({ "a": [0, 1] })),
            ("/a", json!(null)),
        ] {
            assert_eq!(set(at, document), Err(NoPlace), "{at}");
        }
    }

    #[test]
    fn values_are_taken_away_and_renamed() {
        let mut document = json!({ "a": [1, 2], "b": { "c": 1, "d": 2, "e": 3 } });
        assert_eq!(pointer("/a/0").remove(&mut document), Some(json!(1)));
        assert_eq!(pointer("/a/1").remove(&mut document), None);
        assert_eq!(pointer("/x/y").remove(&mut document), None);
        assert!(pointer("/b/d").rename(&mut document, "e"));
        assert!(!pointer("/b/x").rename(&mut document, "y"));
        assert_eq!(document.to_string(), r#"{"a":[2],"b":{"c":1,"e":2}}"#);
        assert_eq!(pointer("").remove(&mut document), Some(json!({ "a": [2], "b": { "c": 1, "e": 2 } })));
    }

    #[test]
    fn what_is_no_pointer() {
        for (text, bad) in [("a", BadPointer::Begin), ("/~2", BadPointer::Escape), ("/a~", BadPointer::Escape)] {
            assert_eq!(Pointer::new(text), Err(bad));
        }
        assert_eq!(Pointer::new(&"/a".repeat(101)), Err(BadPointer::Long));
        assert!(pointer("/a").covers(&pointer("/a/b")) && !pointer("/a").covers(&pointer("/ab")));
    }

    proptest! {
        #[test]
        fn what_is_put_is_there(steps in prop::collection::vec("[a-c~/0-2é-]{0,3}", 0..4), value in any::<i64>()) {
            let pointer = Pointer(steps);
            prop_assert_eq!(Pointer::new(&pointer.to_string()), Ok(pointer.clone()));
            let mut document = json!({});
            if pointer.set(&mut document, value.into()).is_ok() {
                prop_assert_eq!(pointer.get(&document), Some(&Value::from(value)));
                prop_assert_eq!(pointer.get(&document), document.pointer(&pointer.to_string()));
                prop_assert_eq!(pointer.remove(&mut document), Some(value.into()));
            }
        }
    }
}
