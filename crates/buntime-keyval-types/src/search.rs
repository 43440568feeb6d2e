//! Searches: what is asked, and what was found.

use crate::{Entry, Key, Result, What, within};

/// A search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Of what is below it. The index is that of the longest prefix that has it.
    pub prefix: Key,
    /// What for: words, "phrases", prefix*, field:word, AND, OR, NOT, parentheses.
    pub query: String,
    /// At most so many hits, 1 to [`Search::MOST`].
    pub limit: usize,
    /// Passing over so many, at most [`Search::MOST_OFFSET`].
    pub offset: usize,
    /// With snippets?
    pub highlight: bool,
}

impl Search {
    /// Hits of one answer.
    pub const MOST: usize = 1000;
    /// Hits that may be passed over.
    pub const MOST_OFFSET: usize = 10_000;

    /// For the best hundred, without snippets.
    pub fn new(prefix: Key, query: impl Into<String>) -> Self {
        Self { prefix, query: query.into(), limit: 100, offset: 0, highlight: false }
    }

    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) for more than may be asked for, or passed over.
    pub fn check(&self) -> Result<()> {
        within(What::Entries, self.limit, Self::MOST)?;
        within(What::Entries, self.offset, Self::MOST_OFFSET)
    }
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    /// The best first; of equals the last written.
    pub hits: Vec<Hit>,
    /// The index is still being built: there may be more.
    pub building: bool,
    /// More entries match than are ranked: of these, the ones that were put into the index last are.
    pub truncated: bool,
}

/// One entry that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The entry.
    pub entry: Entry,
    /// How well it fits: BM25, more being better.
    pub score: f64,
    /// Where its words are, of each field that has some.
    pub snippets: Vec<Snippet>,
}

/// The part of a field in which most of a query's words are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// Of that field.
    pub field: String,
    /// The text in pieces, each with whether it was looked for.
    pub pieces: Vec<(String, bool)>,
    /// Is there text before it?
    pub before: bool,
    /// Is there text after it?
    pub after: bool,
}

impl Snippet {
    /// As HTML: everything escaped, what was looked for in `<mark>`, an ellipsis where there is more.
    pub fn html(&self) -> String {
        let mut html = String::new();
        let end = |there: bool| if there { "…" } else { "" };
        html.push_str(end(self.before));
        for (text, marked) in &self.pieces {
            let (open, close) = if *marked { ("<mark>", "</mark>") } else { ("", "") };
            html.push_str(open);
            for c in text.chars() {
                match c {
                    '&' => html.push_str("&amp;"),
                    '<' => html.push_str("&lt;"),
                    '>' => html.push_str("&gt;"),
                    '"' => html.push_str("&quot;"),
                    '\'' => html.push_str("&#39;"),
                    c => html.push(c),
                }
            }
            html.push_str(close);
        }
        html.push_str(end(self.after));
        html
    }
}

/// How texts become terms. As in SQLite, whose names they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tokenizer {
    /// Letters and digits of all scripts; case and the accents of Latin, Greek and Cyrillic do not matter.
    #[default]
    Unicode61,
    /// The same, and English words count by their stems: `connections` finds `connected`.
    Porter,
    /// ASCII letters, digits and everything that is not ASCII; the case of ASCII letters does not matter.
    Ascii,
}

impl Tokenizer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unicode61, Self::Porter, Self::Ascii];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unicode61 => "unicode61",
            Self::Porter => "porter",
            Self::Ascii => "ascii",
        }
    }

    /// Of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tokenizer| tokenizer.name() == name)
    }
}
