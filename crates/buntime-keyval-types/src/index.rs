//! Indexes: what is declared on a prefix, and what is asked of one. What they promise is in `INDEXES.md` of
//! `buntime-keyval`.

use crate::{Entry, Key, Part, Tokenizer};

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

/// Which entries, by a sorted index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ByIndex {
    /// The index's prefix.
    pub prefix: Key,
    /// The index's name.
    pub name: String,
    /// What the first fields are, as many as are given.
    pub equals: Vec<Part>,
    /// Where the next field begins.
    pub from: Option<Edge>,
    /// Where the next field ends.
    pub to: Option<Edge>,
    /// From the end?
    pub reverse: bool,
    /// At most so many, 1 to [`ByIndex::MOST`].
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

impl ByIndex {
    /// Entries of a page.
    pub const MOST: u32 = 1000;
}

/// An end of what is selected.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// The value there.
    pub value: Part,
    /// Does it belong to it?
    pub included: bool,
}

/// Some of the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the index's order.
    pub entries: Vec<Entry>,
    /// Where the next page begins, if there may be one.
    pub cursor: Option<String>,
}
