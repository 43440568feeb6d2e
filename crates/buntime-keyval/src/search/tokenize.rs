//! Texts into terms.

use std::ops::Range;

use unicode_normalization::{IsNormalized, UnicodeNormalization, char::is_combining_mark, is_nfd_quick};

use super::porter;
use crate::Tokenizer;

/// Bytes of a term; of a longer word the beginning counts.
const LONGEST: usize = 128;

/// A term, and where in its text it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) term: String,
    /// Bytes of the text.
    pub(crate) at: Range<usize>,
}

/// The terms of a text, in its order.
pub(crate) fn tokens(tokenizer: Tokenizer, text: &str) -> impl Iterator<Item = Token> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let start = at + rest.find(|c| begins(tokenizer, c))?;
            let rest = text.get(start..)?;
            let end = start + rest.find(|c| !continues(tokenizer, c)).unwrap_or(rest.len());
            at = end;
            let term = term(tokenizer, text.get(start..end)?);
            // Nothing but accents is nothing.
            if !term.is_empty() {
                return Some(Token { term, at: start..end });
            }
        }
    })
}

fn begins(tokenizer: Tokenizer, c: char) -> bool {
    match tokenizer {
        Tokenizer::Ascii => c.is_ascii_alphanumeric() || !c.is_ascii(),
        Tokenizer::Unicode61 | Tokenizer::Porter => c.is_alphanumeric(),
    }
}

fn continues(tokenizer: Tokenizer, c: char) -> bool {
    begins(tokenizer, c) || (tokenizer != Tokenizer::Ascii && !c.is_ascii() && is_combining_mark(c))
}

fn term(tokenizer: Tokenizer, word: &str) -> String {
    let mut term = match tokenizer {
        Tokenizer::Ascii => word.to_ascii_lowercase(),
        Tokenizer::Unicode61 | Tokenizer::Porter if word.is_ascii() => word.to_ascii_lowercase(),
        Tokenizer::Unicode61 | Tokenizer::Porter => folded(word),
    };
    if tokenizer == Tokenizer::Porter
        && let Some(stem) = porter::stem(&term)
    {
        term = stem;
    }
    while term.len() > LONGEST {
        term.pop();
    }
    term
}

/// Without case and accents.
fn folded(word: &str) -> String {
    // The last sigma of a word is a sigma.
    let lower = word.chars().flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c });
    let lower: String = lower.collect();
    if is_nfd_quick(lower.chars()) == IsNormalized::Yes && !lower.chars().any(is_accent) {
        return lower;
    }
    lower.nfd().filter(|c| !is_accent(*c)).nfc().collect()
}

/// Accents of scripts in which a letter without one is still that letter; in others marks are vowels.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(tokenizer: Tokenizer, text: &str) -> Vec<String> {
        tokens(tokenizer, text).map(|token| token.term).collect()
    }

    #[test]
    fn words_without_case_and_accents() {
        let all = terms(Tokenizer::Unicode61, "Crème-BRÛLÉE, e\u{301}clair; 3.5km ΟΔΥΣΣΕΎΣ йод हिन्दी 東京 x_y\u{301}");
        assert_eq!(all, ["creme", "brulee", "eclair", "3", "5km", "οδυσσευσ", "иод", "हिन्दी", "東京", "x", "y"]);
        assert_eq!(
            terms(Tokenizer::Porter, "Connections were CONNECTED, naïvely"),
            ["connect", "were", "connect", "naiv"]
        );
        assert_eq!(terms(Tokenizer::Ascii, "Crème BRÛLÉE a–b"), ["crème", "brÛlÉe", "a–b"]);
        assert!(terms(Tokenizer::Unicode61, "… \u{301} !").is_empty());
    }

    #[test]
    fn terms_know_their_places_and_are_not_too_long() {
        let text = "Ünïts: über";
        let places: Vec<&str> = tokens(Tokenizer::Unicode61, text).map(|token| &text[token.at]).collect();
        assert_eq!(places, ["Ünïts", "über"]);
        let long = terms(Tokenizer::Unicode61, &"ж".repeat(1000));
        assert_eq!((long.len(), long[0].len()), (1, 128));
    }
}
