//! Values and entries as [`value_to_json`] has them, written at once: what answers are made of.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::{Map, Value as Json, json};

use super::value_to_json;
use crate::{
    Entry, Hit, Key, Page, Snippet, Value,
    json::{KeyJson, Plain, key_to_path, write_bytes, write_tagged},
};

/// A value.
#[derive(Clone, Copy, Debug)]
pub struct ValueJson<'a>(pub &'a Value);

impl Serialize for ValueJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::U64(number) => write_tagged("u64", &number.to_string(), to),
            Value::Bytes(bytes) => write_bytes(bytes, to),
            Value::V8(data) => match Plain::read(data) {
                Some(plain) => plain.serialize(to),
                None => value_to_json(self.0).serialize(to),
            },
        }
    }
}

/// What is at a key: an entry, or `null` for its value and its versionstamp.
#[derive(Clone, Copy, Debug)]
pub struct EntryJson<'a> {
    key: &'a Key,
    found: Option<&'a Entry>,
    expires_at: Option<u64>,
}

impl<'a> EntryJson<'a> {
    /// An entry.
    pub fn new(entry: &'a Entry) -> Self {
        Self::at(&entry.key, Some(entry))
    }

    /// What was found at a key.
    pub fn at(key: &'a Key, found: Option<&'a Entry>) -> Self {
        Self { key, found, expires_at: None }
    }

    /// With its `expiresAt`, if it ceases to be.
    pub fn with_expiry(self) -> Self {
        Self { expires_at: self.found.and_then(|entry| entry.expires_at), ..self }
    }
}

impl Serialize for EntryJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("Entry", 3 + usize::from(self.expires_at.is_some()))?;
        object.serialize_field("key", &KeyJson(self.key))?;
        object.serialize_field("value", &self.found.map(|entry| ValueJson(&entry.value)))?;
        object.serialize_field("versionstamp", &self.found.map(|entry| entry.versionstamp.to_string()))?;
        match self.expires_at {
            Some(at) => object.serialize_field("expiresAt", &at)?,
            None => object.skip_field("expiresAt")?,
        }
        object.end()
    }
}

/// A page of entries: one of a sorted index, for instance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageJson<'a> {
    entries: Vec<EntryJson<'a>>,
    has_more: bool,
    cursor: Option<&'a str>,
}

impl<'a> PageJson<'a> {
    /// Of these entries, and of where the next page begins.
    pub fn new(entries: &'a [Entry], cursor: Option<&'a str>) -> Self {
        Self { entries: entries.iter().map(EntryJson::new).collect(), has_more: cursor.is_some(), cursor }
    }
}

impl<'a> From<&'a Page> for PageJson<'a> {
    fn from(page: &'a Page) -> Self {
        Self::new(&page.entries, page.cursor.as_deref())
    }
}

/// An entry with its score.
#[derive(Clone, Debug, Serialize)]
pub struct HitJson<'a> {
    #[serde(skip)]
    hit: &'a Hit,
    #[serde(flatten)]
    entry: EntryJson<'a>,
    path: String,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    highlights: Option<Map<String, Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snippets: Option<Json>,
}

impl<'a> HitJson<'a> {
    /// Without its snippets.
    pub fn new(hit: &'a Hit) -> Self {
        let (entry, path) = (EntryJson::new(&hit.entry), key_to_path(&hit.entry.key));
        Self { hit, entry, path, score: hit.score, highlights: None, snippets: None }
    }

    /// With its snippets as HTML, by field.
    pub fn with_highlights(self) -> Self {
        let html = |snippet: &Snippet| (snippet.field.clone(), snippet.html().into());
        Self { highlights: Some(self.hit.snippets.iter().map(html).collect()), ..self }
    }

    /// With its snippets in their pieces.
    pub fn with_snippets(self) -> Self {
        let pieces = |snippet: &Snippet| {
            json!({
                "field": snippet.field, "pieces": snippet.pieces, "before": snippet.before, "after": snippet.after,
            })
        };
        Self { snippets: Some(self.hit.snippets.iter().map(pieces).collect()), ..self }
    }
}
