//! What producers of events offer: not yet redacted. It is seen by the collector alone.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use serde_json::{Map, Value};

use crate::{
    entry::{Entry, Level, What, meta_size},
    redact::Redactor,
};

/// Something to be logged: an event of the runtime or a plugin, or what the API adds.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it happened.
    pub time: SystemTime,
    /// How important it is.
    pub level: Level,
    /// The plugin it came from, in the short form.
    pub plugin: Option<Arc<str>>,
    /// The request it belongs to.
    pub request_id: Option<Box<str>>,
    /// The module or part that says it.
    pub source: Cow<'static, str>,
    /// The words.
    pub message: String,
    /// Its fields.
    pub meta: Map<String, Value>,
}

impl Record {
    /// About how much memory it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.source.len() + self.message.len() + meta_size(&self.meta)
    }

    pub(crate) fn into_entry(mut self, id: u64, redactor: &Redactor) -> Entry {
        redactor.map(&mut self.meta);
        let message = match redactor.text(&self.message) {
            Cow::Borrowed(_) => self.message.into(),
            Cow::Owned(redacted) => redacted.into(),
        };
        // A module's path is never a secret; what the API is given may be.
        let source = match self.source {
            Cow::Borrowed(module) => Cow::Borrowed(module),
            Cow::Owned(given) => Cow::Owned(redactor.text(&given).into_owned()),
        };
        let what = What::Event { source, message, meta: self.meta };
        Entry { id, time: self.time, level: self.level, plugin: self.plugin, request_id: self.request_id, what }
    }
}

/// At most that many bytes, at a character's boundary.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
