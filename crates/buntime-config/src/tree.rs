//! JSON values that remember where they were written.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::source::TextRange;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A part of the file.
    File(TextRange),
    /// Something else, in words: `environment variable PORT`, `--plugin`.
    Outside(Arc<str>),
}

impl Place {
    /// The environment variable of that name.
    pub(crate) fn variable(name: &str) -> Self {
        Self::Outside(format!("environment variable {name}").into())
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) data: Data,
    /// Did a secret environment variable take part in it?
    pub(crate) tainted: bool,
}

#[derive(Clone)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Member>),
    /// Something that could not be read and has been reported; nothing more is said about it.
    Broken,
}

#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn new(place: Place, data: Data) -> Self {
        Self { place, data, tainted: false }
    }

    /// A value without ranges of its own; everything in it stands at `place`.
    pub(crate) fn outside(place: &Place, value: Value) -> Self {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Bool(value),
            Value::Number(value) => Data::Number(value),
            Value::String(value) => Data::Text(value),
            Value::Array(items) => Data::List(items.into_iter().map(|item| Self::outside(place, item)).collect()),
            Value::Object(members) => Data::Table(
                members
                    .into_iter()
                    .map(|(key, value)| Member { key, key_place: place.clone(), value: Self::outside(place, value) })
                    .collect(),
            ),
        };
        Self::new(place.clone(), data)
    }

    pub(crate) fn empty_table(place: Place) -> Self {
        Self::new(place, Data::Table(Vec::new()))
    }

    /// What the value is, for a message.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "null",
            Data::Bool(true) => "true",
            Data::Bool(false) => "false",
            Data::Number(_) => "a number",
            Data::Text(_) => "a string",
            Data::List(_) => "an array",
            Data::Table(_) => "an object",
            Data::Broken => "something unreadable",
        }
    }

    pub(crate) fn member(&self, key: &str) -> Option<&Member> {
        match &self.data {
            Data::Table(members) => members.iter().find(|member| member.key == key),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.member(key).map(|member| &member.value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn members(&self) -> &[Member] {
        match &self.data {
            Data::Table(members) => members,
            _ => &[],
        }
    }

    /// The items of the list at `key`; none when there is no such list.
    pub(crate) fn list(&self, key: &str) -> &[Node] {
        self.get(key).map_or(&[], Node::items)
    }

    /// The text at `key`.
    pub(crate) fn word(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Node::text)
    }

    /// The table at `key`, made if it is not there. `None` when something else stands there.
    pub(crate) fn table_mut(&mut self, key: &str, place: &Place) -> Option<&mut Node> {
        let Data::Table(members) = &mut self.data else { return None };
        let index = match members.iter().position(|member| member.key == key) {
            Some(index) => index,
            None => {
                let value = Self::empty_table(place.clone());
                members.push(Member { key: key.to_owned(), key_place: place.clone(), value });
                members.len() - 1
            }
        };
        members.get_mut(index).map(|member| &mut member.value)
    }

    /// Puts a value at `key`, in the place of what stands there. Does nothing on what is no table.
    pub(crate) fn set(&mut self, key: &str, value: Node) {
        let Data::Table(members) = &mut self.data else { return };
        match members.iter_mut().find(|member| member.key == key) {
            Some(member) => member.value = value,
            None => members.push(Member { key: key.to_owned(), key_place: value.place.clone(), value }),
        }
    }

    /// Is there something in it that could not be read?
    pub(crate) fn is_broken(&self) -> bool {
        match &self.data {
            Data::Broken => true,
            Data::List(items) => items.iter().any(Self::is_broken),
            Data::Table(members) => members.iter().any(|member| member.value.is_broken()),
            _ => false,
        }
    }

    /// The value without places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.data {
            Data::Null | Data::Broken => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(value) => Value::Number(value.clone()),
            Data::Text(value) => Value::String(value.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Data::Table(members) => {
                Value::Object(members.iter().map(|m| (m.key.clone(), m.value.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// The place of the value a JSON pointer names, or of the nearest one around it that exists. With `key`, the place
    /// of its key if it has one.
    pub(crate) fn locate(&self, pointer: &str, key: bool) -> Place {
        let mut place = &self.place;
        let mut node = self;
        for token in pointer.split('/').skip(1).map(unescape) {
            match &node.data {
                Data::Table(members) => {
                    let Some(member) = members.iter().find(|member| member.key == token) else { break };
                    node = &member.value;
                    place = if key { &member.key_place } else { &node.place };
                }
                Data::List(items) => {
                    let Some(item) = token.parse().ok().and_then(|index: usize| items.get(index)) else { break };
                    node = item;
                    place = &node.place;
                }
                _ => break,
            }
        }
        place.clone()
    }

    /// Calls `visit` with every value and its pointer, outer ones first.
    pub(crate) fn walk<'n>(&'n self, path: &mut Path, visit: &mut dyn FnMut(&'n Node, &Path)) {
        visit(self, path);
        match &self.data {
            Data::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.with_index(index, |path| item.walk(path, visit));
                }
            }
            Data::Table(members) => {
                for member in members {
                    path.with_key(&member.key, |path| member.value.walk(path, visit));
                }
            }
            _ => {}
        }
    }
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// A JSON pointer under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path(String);

impl Path {
    pub(crate) fn new(pointer: &str) -> Self {
        Self(pointer.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The pointer of a member, while `inner` runs.
    pub(crate) fn with_key<T>(&mut self, key: &str, inner: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.0.len();
        self.0.push('/');
        for c in key.chars() {
            match c {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                c => self.0.push(c),
            }
        }
        let result = inner(self);
        self.0.truncate(length);
        result
    }

    /// The pointer of an item, while `inner` runs.
    pub(crate) fn with_index<T>(&mut self, index: usize, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.with_key(&index.to_string(), inner)
    }
}
