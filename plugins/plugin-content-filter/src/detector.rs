//! What a rule looks for, in one of two ways.

use crate::{
    keywords::Keywords,
    patterns::{Patterns, Span},
};

/// How much of what was passed on is kept for `\b` and the like to see: the longest character.
pub(crate) const CONTEXT: usize = 4;

/// See the module.
#[derive(Debug)]
pub(crate) enum Detector {
    /// Regular expressions.
    Patterns(Box<Patterns>),
    /// Words.
    Keywords(Keywords),
}

impl Detector {
    /// The first match at or after `from`, of at most `window` bytes.
    fn next(&self, text: &[u8], from: usize, window: usize) -> Option<Span> {
        match self {
            Self::Patterns(patterns) => patterns.next(text, from, window),
            Self::Keywords(keywords) => keywords.next(text, from),
        }
    }

    /// Where the first match that is not decided yet may begin.
    fn open(&self, text: &[u8], from: usize) -> usize {
        match self {
            Self::Patterns(patterns) => patterns.open(text, from),
            Self::Keywords(keywords) => keywords.open(text, from),
        }
    }

    /// Tells every match at or after `from` that nothing which may follow the text can change; answers up to where all
    /// is decided. With `ended` nothing follows.
    ///
    /// A match is what the patterns find in the `window` bytes from where it begins, whatever comes behind them: so it is
    /// decided when these are here, or when the automaton says that no other outcome is left.
    pub(crate) fn scan(
        &self,
        text: &[u8],
        mut from: usize,
        window: usize,
        ended: bool,
        mut tell: impl FnMut(Span),
    ) -> usize {
        if ended {
            while let Some(found) = self.next(text, from, window) {
                from = found.1;
                tell(found);
            }
            return text.len();
        }
        let old = text.len().saturating_sub(window + CONTEXT);
        let mut open = self.open(text, from.max(old));
        while let Some(found) = self.next(text, from, window) {
            if found.0 >= open {
                break;
            }
            from = found.1;
            tell(found);
            if from > open {
                open = self.open(text, from.max(old));
            }
        }
        open
    }
}
