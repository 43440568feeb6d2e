//! Keywords that search a stream.

use aho_corasick::{AhoCorasick, Input, MatchKind};

use crate::patterns::Span;

/// The keywords of a rule. Of two that begin at one place the longer one counts.
#[derive(Debug)]
pub(crate) struct Keywords {
    automaton: AhoCorasick,
    /// In order, and in lower case where case does not matter.
    sorted: Vec<Vec<u8>>,
    longest: usize,
    ignore_case: bool,
}

impl Keywords {
    /// Compiles them.
    ///
    /// # Errors
    /// In words, if they are too many.
    pub(crate) fn new(words: &[String], ignore_case: bool) -> Result<Self, String> {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostLongest).ascii_case_insensitive(ignore_case);
        let automaton = builder.build(words).map_err(|error| error.to_string())?;
        let cased = |word: &String| if ignore_case { word.to_ascii_lowercase() } else { word.clone() };
        let mut sorted: Vec<Vec<u8>> = words.iter().map(|word| cased(word).into_bytes()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let longest = sorted.iter().map(Vec::len).max().unwrap_or_default();
        Ok(Self { automaton, sorted, longest, ignore_case })
    }

    /// The first match at or after `from`.
    pub(crate) fn next(&self, text: &[u8], from: usize) -> Option<Span> {
        let found = self.automaton.find(Input::new(text).range(from..))?;
        Some((found.start(), found.end(), 0))
    }

    /// The first place at or after `from` where a match may be under way that what follows the text decides; the
    /// text's end if there is none.
    pub(crate) fn open(&self, text: &[u8], from: usize) -> usize {
        let from = from.max(text.len().saturating_sub(self.longest.saturating_sub(1)));
        let Some(tail) = text.get(from..) else { return text.len() };
        let lower;
        let tail = if self.ignore_case {
            lower = tail.to_ascii_lowercase();
            &lower[..]
        } else {
            tail
        };
        let open = (0..tail.len()).find(|at| self.begins(&tail[*at..]));
        open.map_or(text.len(), |at| from + at)
    }

    /// Is this the beginning of a longer keyword?
    fn begins(&self, text: &[u8]) -> bool {
        let behind = self.sorted.partition_point(|word| word.as_slice() <= text);
        self.sorted.get(behind).is_some_and(|word| word.starts_with(text))
    }
}
