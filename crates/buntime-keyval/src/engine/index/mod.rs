//! Indexes: what is declared on a prefix, kept in the transaction of every write.
//!
//! A declaration is a row of `kv_indexes`. Each namespace keeps what it knows of its own, with the `shape` of the clock
//! from which that is; every write learns the shape as it takes its version, and reads the declarations anew where it is
//! another ([`hold`]). So what nobody declared costs nothing, and what another node declares is honoured by the next write.
//!
//! All three kinds are ordinary tables, the same on every adapter, and are kept without looking at what an entry was
//! before: what a key had is deleted by the key, and what it has now is put there ([`maintain`]). Whoever writes to
//! `kv_entries` by another way than [`crate::Atomic`] tells [`Declared`] of the keys, in the same transaction.
//!
//! What they promise is in `INDEXES.md` beside this crate.

mod backfill;
mod count;
mod declare;
mod declared;
mod find;
mod hold;
mod maintain;
#[cfg(test)]
mod plans;
mod sorted;
mod unique;

use crate::{Key, Tokenizer};

pub(super) use self::{
    backfill::Builders,
    declare::another_shape,
    declared::{Declared, of_namespace, of_namespaces},
    hold::Hold,
    maintain::{Documents, Written},
};
pub use self::{
    find::{Hit, Hits, Search},
    sorted::{ByIndex, Edge, Page},
};

/// What the page shows works.
#[cfg(doctest)]
#[doc = include_str!("../../../INDEXES.md")]
struct Documented;

/// An index to be declared. Its prefix itself is not in it, only what is below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Of the entries below it.
    pub prefix: Key,
    /// What it is for.
    pub kind: IndexKind,
}

/// What an index is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// Searching texts. One for a prefix.
    Search {
        /// The fields in which is searched, such as `author.name`; `$` is the value itself.
        fields: Vec<String>,
        /// How their texts become terms.
        tokenizer: Tokenizer,
    },
    /// Finding and listing by the values of fields. As many for a prefix as have names of their own.
    Sorted {
        /// Its name.
        name: String,
        /// The fields, the first being what it is sorted by first.
        fields: Vec<String>,
        /// May only one entry have the same?
        unique: bool,
    },
    /// Counting, in no time. One for a prefix.
    Count,
}

/// How far an index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// What was there before it is being put into it. What is written meanwhile is in it already.
    Building,
    /// It has everything.
    Ready,
    /// It cannot be, and is not kept any more: why.
    Failed(String),
}

/// An index that is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexInfo {
    /// Its number, never given again while it is there.
    pub id: i64,
    /// What was declared.
    pub index: Index,
    /// How far it is.
    pub state: IndexState,
    /// Entries in it, also those that have expired and are not swept away yet; of a sorted one that is not counted.
    pub entries: Option<u64>,
    /// When it was declared, in milliseconds since the Unix epoch.
    pub created_at: u64,
}

impl Index {
    /// For searching these fields.
    pub fn search<T: Into<String>>(prefix: Key, fields: impl IntoIterator<Item = T>) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        Self { prefix, kind: IndexKind::Search { fields, tokenizer: Tokenizer::default() } }
    }

    /// For finding and listing by these fields; it has their names for one.
    pub fn sorted<T: Into<String>>(prefix: Key, fields: impl IntoIterator<Item = T>) -> Self {
        let fields: Vec<String> = fields.into_iter().map(Into::into).collect();
        Self { prefix, kind: IndexKind::Sorted { name: fields.join(","), fields, unique: false } }
    }

    /// For counting.
    pub fn count(prefix: Key) -> Self {
        Self { prefix, kind: IndexKind::Count }
    }

    /// With another tokenizer, if it is for searching.
    #[must_use]
    pub fn with_tokenizer(mut self, wanted: Tokenizer) -> Self {
        if let IndexKind::Search { tokenizer, .. } = &mut self.kind {
            *tokenizer = wanted;
        }
        self
    }

    /// With a name of its own, if it is a sorted one.
    #[must_use]
    pub fn named(mut self, wanted: impl Into<String>) -> Self {
        if let IndexKind::Sorted { name, .. } = &mut self.kind {
            *name = wanted.into();
        }
        self
    }

    /// Such that only one entry may have the same, if it is a sorted one.
    #[must_use]
    pub fn unique(mut self) -> Self {
        if let IndexKind::Sorted { unique, .. } = &mut self.kind {
            *unique = true;
        }
        self
    }
}

impl IndexKind {
    /// `search`, `sorted` or `count`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Search { .. } => "search",
            Self::Sorted { .. } => "sorted",
            Self::Count => "count",
        }
    }

    /// The fields it is of.
    pub fn fields(&self) -> &[String] {
        match self {
            Self::Search { fields, .. } | Self::Sorted { fields, .. } => fields,
            Self::Count => &[],
        }
    }
}
