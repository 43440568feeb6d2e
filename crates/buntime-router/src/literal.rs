//! What every text that an anchored pattern matches begins with, read from the parsed pattern.

use regex_syntax::hir::{Hir, HirKind, Look};

/// More would only make look-ups slower: what differs behind this is left to the patterns.
const LONGEST: usize = 64;

/// The literal beginning of a pattern that begins with `^`; empty when there is none.
pub(crate) fn literal_prefix(pattern: &str) -> Vec<u8> {
    let mut prefix = Prefix { bytes: Vec::new(), anchored: false };
    if let Ok(hir) = regex_syntax::parse(pattern) {
        prefix.add(&hir);
    }
    // Without `^` it may begin anywhere.
    if !prefix.anchored {
        return Vec::new();
    }
    prefix.bytes.truncate(LONGEST);
    prefix.bytes
}

struct Prefix {
    bytes: Vec<u8>,
    anchored: bool,
}

impl Prefix {
    /// Adds what this part certainly begins with; true when it is nothing else, so that the next part may follow.
    /// Patterns nest as deep as the parser allows (250 levels).
    fn add(&mut self, hir: &Hir) -> bool {
        match hir.kind() {
            HirKind::Empty => true,
            HirKind::Look(Look::Start) if self.bytes.is_empty() => {
                self.anchored = true;
                true
            }
            HirKind::Literal(literal) if self.anchored => {
                self.bytes.extend_from_slice(&literal.0);
                true
            }
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(parts) => parts.iter().all(|part| self.add(part)),
            HirKind::Repetition(repetition) if self.anchored && repetition.min > 0 => {
                self.add(&repetition.sub);
                false
            }
            HirKind::Literal(_)
            | HirKind::Look(_)
            | HirKind::Class(_)
            | HirKind::Repetition(_)
            | HirKind::Alternation(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prefixes() {
        for (pattern, prefix) in [
            ("^/legacy/(.*)$", "/legacy/"),
            ("^/v1\\.0/x", "/v1.0/x"),
            ("^/ab?c", "/a"),
            ("^(/a(/b))/c", "/a/b/c"),
            ("^/a\\d", "/a"),
            ("^/x(/.*)?$", "/x"),
            ("^/a|^/b", ""),
            ("(?i)^/a", "/"),
            ("/a", ""),
            ("(?m)^/a", ""),
            ("^/ab{2}", "/ab"),
            ("^/$", "/"),
            ("a?^/b", ""),
            ("(", ""),
        ] {
            assert_eq!(literal_prefix(pattern), prefix.as_bytes(), "{pattern}");
        }
        assert_eq!(literal_prefix(&format!("^/{}", "a".repeat(200))).len(), LONGEST);
    }

    proptest! {
        #[test]
        fn a_prefix_never_hides_a_match(
            pattern in r"\^?(/|a|b|\.|\\\.|a\?|b\*|b\+|\(a\)|\(a\)\?|\[ab\]|a\|b|\$|\^|a\{2\}|\(\?i\)|\(\^a\|b\)){0,8}",
            path in "/[abA./]{0,8}",
        ) {
            let regex = regex::Regex::new(&pattern);
            prop_assume!(regex.is_ok());
            if regex.unwrap().is_match(&path) {
                prop_assert!(path.as_bytes().starts_with(&literal_prefix(&pattern)), "{} {}", pattern, path);
            }
        }
    }
}
