//! One body on its way through the rules of its direction.
//!
//! Every rule searches the original text by itself. What is passed on ends where some rule has not decided yet; what
//! several rules mask is masked once, as the one says whose match begins first. The result does not depend on how the
//! body was split.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use bytes::Bytes;

use crate::{config::Action, detector::CONTEXT, rule::Rule};

/// The rules of a direction.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) all: Vec<Arc<Rule>>,
    pub(crate) window: usize,
}

impl Rules {
    /// Does any do that?
    pub(crate) fn any(&self, action: Action) -> bool {
        self.all.iter().any(|rule| rule.action == action)
    }

    /// Do all of them only look?
    pub(crate) fn only_look(&self) -> bool {
        self.all.iter().all(|rule| rule.action == Action::Observe)
    }
}

/// Text is searched in pieces of so many bytes, or of several windows: a search may look at all that is here.
const PIECE: usize = 16 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Engine {
    rules: Arc<Rules>,
    /// What is not decided yet, behind a little of what is.
    text: Vec<u8>,
    /// So much of it is passed on or masked.
    sent: usize,
    scans: Vec<Scan>,
    found: Vec<Found>,
    out: Vec<u8>,
}

/// How far a rule is.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    from: usize,
    /// Something was found.
    hit: bool,
}

/// A match that is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    begin: usize,
    rule: usize,
    end: usize,
    pattern: usize,
}

/// A rule blocks the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocked;

impl Engine {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        let scans = vec![Scan::default(); rules.all.len()];
        Self { rules, text: Vec::new(), sent: 0, scans, found: Vec::new(), out: Vec::new() }
    }

    /// Takes a piece; answers what may be passed on.
    ///
    /// # Errors
    /// If a rule blocks it.
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<Bytes, Blocked> {
        let nothing_held = self.sent == self.text.len();
        let most = PIECE.max(4 * self.rules.window);
        let mut masked = false;
        for part in piece.chunks(most) {
            self.text.extend_from_slice(part);
            masked |= self.work(false)?;
        }
        let out = std::mem::take(&mut self.out);
        // The usual case: nothing held, nothing found.
        if nothing_held && !masked && self.sent == self.text.len() {
            self.out = out;
            self.out.clear();
            return Ok(piece);
        }
        Ok(out.into())
    }

    /// The body has ended; answers the rest.
    ///
    /// # Errors
    /// If a rule blocks it.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Blocked> {
        self.work(true)?;
        Ok(std::mem::take(&mut self.out).into())
    }

    /// The rules that found something.
    pub(crate) fn hits(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.scans.iter().zip(&self.rules.all).filter(|(scan, _)| scan.hit).map(|(_, rule)| rule)
    }

    /// How much is in memory.
    #[cfg(test)]
    fn kept(&self) -> usize {
        self.text.len()
    }

    /// Scans, and passes on what is decided. Answers whether something was masked.
    fn work(&mut self, ended: bool) -> Result<bool, Blocked> {
        let mut until = self.text.len();
        for (index, (rule, scan)) in self.rules.all.iter().zip(&mut self.scans).enumerate() {
            let mut count = 0;
            let from = rule.detector.scan(&self.text, scan.from, self.rules.window, ended, |(begin, end, pattern)| {
                count += 1;
                if rule.action == Action::Redact {
                    self.found.push(Found { begin, rule: index, end, pattern });
                }
            });
            scan.from = from;
            until = until.min(from);
            if count > 0 {
                scan.hit = true;
                rule.figures.matches.fetch_add(count, Relaxed);
                if rule.action == Action::Block {
                    return Err(Blocked);
                }
            }
        }
        Ok(self.pass_on(until))
    }

    /// Passes on what is before `until`, where every rule has decided; a match that begins before it is masked as a
    /// whole. Answers whether there was one.
    fn pass_on(&mut self, until: usize) -> bool {
        self.found.sort_unstable();
        let (mut at, mut masked) = (self.sent, false);
        for found in self.found.iter().take_while(|found| found.begin < until) {
            masked = true;
            // What begins within a match that is masked already only makes it longer.
            if found.begin >= at {
                self.out.extend_from_slice(&self.text[at..found.begin]);
                if let Some(rule) = self.rules.all.get(found.rule) {
                    rule.mask(&self.text[found.begin..found.end], found.pattern, &mut self.out);
                }
            }
            at = at.max(found.end);
        }
        if at < until {
            self.out.extend_from_slice(&self.text[at..until]);
        }
        self.sent = at.max(until);
        self.found.retain(|found| found.begin >= until);
        self.forget(until.saturating_sub(CONTEXT));
        masked
    }

    /// Lets go of so much of what every rule has decided: not of what `\b` and the like may look at.
    fn forget(&mut self, gone: usize) {
        if gone == 0 {
            return;
        }
        self.text.drain(..gone);
        self.sent -= gone;
        for scan in &mut self.scans {
            scan.from -= gone;
        }
        for found in &mut self.found {
            found.begin -= gone;
            found.end -= gone;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::config::{ContentFilterSettings, RuleSettings};
    use buntime_core::Settings;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Compiled rules: what takes longest.
    fn rules(rules: Value) -> Vec<Arc<Rule>> {
        let rules: Vec<RuleSettings> = serde_json::from_value(rules).unwrap();
        let settings = ContentFilterSettings { rules, ..Default::default() };
        assert_eq!(settings.problems(), []);
        let rules = settings.rules.iter().enumerate().map(|(index, rule)| Rule::new(rule, index, |_| Arc::default()));
        rules.map(|rule| rule.map(Arc::new)).collect::<Result<_, _>>().unwrap()
    }

    fn engine(all: &[Arc<Rule>], window: usize) -> Engine {
        Engine::new(Arc::new(Rules { all: all.to_vec(), window }))
    }

    fn passed(all: &[Arc<Rule>], window: usize, pieces: &[&[u8]]) -> Result<Vec<u8>, Blocked> {
        let mut engine = engine(all, window);
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&engine.push(Bytes::copy_from_slice(piece))?);
            assert!(engine.kept() <= window + 2 * CONTEXT, "{} are kept", engine.kept());
        }
        out.extend_from_slice(&engine.finish()?);
        Ok(out)
    }

    fn filtered(of: &Value, window: usize, pieces: &[&[u8]]) -> Result<Vec<u8>, Blocked> {
        passed(&rules(of.clone()), window, pieces)
    }

    fn whole(rules: &Value, text: &str) -> String {
        String::from_utf8(filtered(rules, 2048, &[text.as_bytes()]).unwrap()).unwrap()
    }

    fn ready() -> Value {
        json!([{ "detect": ["credit_card", "api_key", "bearer_token", "jwt", "email", "phone_number"] }])
    }

    #[test]
    fn ready_sets_find_what_they_say() {
        let ready = rules(ready());
        for (text, expected) in [
            ("card 4111 1111 1111 1111.", "card [MASKED_CC]."),
            ("{\"pan\":\"4111-1111-1111-1111\",\"n\":1}", "{\"pan\":\"[MASKED_CC]\",\"n\":1}"),
            ("no card 4111 1111 1111 1112", "no card 4111 1111 1111 1112"),
            ("year 2024 4111111111111111 12", "year 2024 [MASKED_CC] 12"),
            ("1234567890123", "1234567890123"),
            ("x4111111111111111", "x4111111111111111"),
            ("AKIAIOSFODNN7EXAMPLE!", "[MASKED_API_KEY]!"),
            (concat!("ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"), "[MASKED_API_KEY]"),
            (concat!("sk-", "proj-abcdefghij_klmnopqrst-uvwxyz ok"), "[MASKED_API_KEY] ok"),
            ("Authorization: Bearer abc.DEF-123_x==\r\n", "Authorization: [MASKED_TOKEN]\r\n"),
            ("t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln&x", "t=[MASKED_JWT_TOKEN]&x"),
            ("mail jürgen: john.doe+x@mail.example.co.uk, bye", "mail jürgen: [MASKED_EMAIL], bye"),
            ("a@b no, @c no, a@.com no", "a@b no, @c no, a@.com no"),
            ("call +49 (30) 1234-5678 or (212) 555-0123 now", "call [MASKED_PHONE] or [MASKED_PHONE] now"),
            ("1 + 12345 = 2.5, 10.0.0.1, 2024-01-02", "1 + 12345 = 2.5, 10.0.0.1, 2024-01-02"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(passed(&ready, 2048, &[text.as_bytes()]).unwrap()).unwrap(), expected);
        }
    }

    #[test]
    fn masks_are_as_written() {
        let card = json!([{ "detect": ["credit_card"], "maskWith": "****", "keepLast": 4 }]);
        assert_eq!(whole(&card, "4111 1111 1111 1111"), "****1111");
        let words = json!([{ "keywords": ["Projekt Ätna", "x"], "maskWith": "" }]);
        assert_eq!(whole(&words, "PROJEKT Ätna and X!"), " and !");
        let exact = json!([{ "keywords": ["Secret"], "ignoreCase": false, "keepLast": 2 }]);
        assert_eq!(whole(&exact, "Secret secret"), "[MASKED]et secret");
        let overlapping =
            json!([{ "patterns": ["bcd"], "maskWith": "1" }, { "patterns": ["abc", "de"], "maskWith": "2" }]);
        assert_eq!(whole(&overlapping, "xabcdefx"), "x2fx");
        let seen = json!([{ "patterns": ["a.*z"], "action": "observe" }, { "patterns": ["b"] }]);
        assert_eq!(whole(&seen, "abz"), "a[MASKED]z");
    }

    #[test]
    fn a_match_is_no_longer_than_the_window() {
        let rules = json!([{ "patterns": ["<[^>]*>"], "maskWith": "_" }]);
        let text = format!("<{}><{}>", "a".repeat(20), "b".repeat(10));
        assert_eq!(filtered(&rules, 16, &[text.as_bytes()]).unwrap(), format!("<{}>_", "a".repeat(20)).into_bytes());
        let greedy = json!([{ "patterns": ["k[a-z]+"], "maskWith": "_" }]);
        assert_eq!(filtered(&greedy, 16, &[b"kaaaaaaaaaaaaaaaaaaaaaaaa"]).unwrap(), b"_aaaaaaaaa");
    }

    #[test]
    fn nothing_is_held_when_no_match_can_be_under_way() {
        let mut rules = ready();
        rules.as_array_mut().unwrap().push(json!({ "keywords": ["forbidden fruit", "dark"], "action": "block" }));
        let mut engine = engine(&self::rules(rules), 2048);
        for event in [
            "data: {\"text\":\"Hello\"}\n\n",
            ": ping\n\n",
            "data: 4111\n\n",
            "data: schöne Grüße\n\n",
            "data: bearer\n\n",
        ] {
            let out = engine.push(Bytes::from_static(event.as_bytes())).unwrap();
            assert_eq!((&out[..], engine.kept() <= CONTEXT), (event.as_bytes(), true), "{event}");
        }
        for (piece, passed) in [
            ("so 4111 11", "so "),
            ("11 1111", ""),
            (" 1111", ""),
            (".\n", "[MASKED_CC].\n"),
            ("forbidden", ""),
            (" fries\n", "forbidden fries\n"),
        ] {
            assert_eq!(engine.push(Bytes::from_static(piece.as_bytes())).unwrap(), passed, "{piece}");
        }
    }

    #[test]
    fn blocked_is_blocked_however_it_comes() {
        let rules = json!([{ "keywords": ["top secret"], "action": "block" }, { "patterns": ["t[a-z]+"] }]);
        let (rules, text) = (self::rules(rules), b"this is TOP SECRET stuff");
        for cut in 0..text.len() {
            assert_eq!(passed(&rules, 64, &[&text[..cut], &text[cut..]]), Err(Blocked));
        }
    }

    #[test]
    fn what_would_backtrack_takes_no_time() {
        let rules = json!([{ "patterns": ["(a+)+$", "(x+x+)+y", "\"[^\"]*secret[^\"]*\""] }]);
        let text = format!("{}{}{}", "a".repeat(100_000), "x".repeat(100_000), "\"".repeat(100_000));
        let mut pieces: Vec<&[u8]> = text.as_bytes().chunks(1000).collect();
        pieces.push(b"!");
        assert_eq!(filtered(&rules, 256, &pieces).unwrap().len(), text.len() + 1);
    }

    /// Words that make matches likely, and cuts.
    fn any_text() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::sample::select(vec![
            "4111 1111 1111 1111",
            "4111111111111111",
            "41",
            " ",
            "-",
            "\n",
            "1",
            "a",
            "ab",
            "abc",
            "b@c.de",
            "@",
            ".",
            "sk-",
            "eyJ",
            "eyJhbGciOi.eyJzdWIiOi.c2ln",
            "bearer ",
            "abcdefgh12345678",
            "+49 30 123",
            "4567 8",
            "SECRET",
            "sec",
            "ret word",
            "ä",
            "\u{1F600}",
            "\"",
            "=",
            "",
        ]);
        let piece = prop_oneof![8 => words.prop_map(|word| word.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..4)];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    fn all_kinds() -> Value {
        let mut rules = ready();
        rules.as_array_mut().unwrap().extend([
            json!({ "keywords": ["secret", "secret word", "ab", "abc", "ä"], "maskWith": "<k>" }),
            json!({ "patterns": ["a[^b]*b", "\\bab\\b", "(?m)^1+$", "e.*J", "c$", "\\x{1F600}\\b"], "maskWith": "<p>", "keepLast": 1 }),
            json!({ "patterns": ["[0-9]+ "], "action": "observe" }),
        ]);
        rules
    }

    const PATTERNS: [&str; 6] = ["a[bc]*", "\\b[0-9]+\\b", "(?i)secret( word)?", "[^ ]+@[a-z.]+", "(?m)^.", "ab|abc"];

    static ALL_KINDS: LazyLock<Vec<Arc<Rule>>> = LazyLock::new(|| rules(all_kinds()));
    static SINGLE: LazyLock<Vec<(regex::bytes::Regex, Vec<Arc<Rule>>)>> = LazyLock::new(|| {
        let both = |pattern: &str| {
            (regex::bytes::Regex::new(pattern).unwrap(), rules(json!([{ "patterns": [pattern], "maskWith": "_" }])))
        };
        PATTERNS.into_iter().map(both).collect()
    });

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn however_it_is_split_the_result_is_the_same(
            text in any_text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12), window in 16_usize..80,
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            let shown = |out: Result<Vec<u8>, Blocked>| out.map(|out| String::from_utf8_lossy(&out).into_owned());
            let expected = shown(passed(&ALL_KINDS, window, &[&text]));
            let of = String::from_utf8_lossy(&text);
            prop_assert_eq!(&shown(passed(&ALL_KINDS, window, &pieces)), &expected, "{:?} in pieces at {:?}", of, cuts);
            prop_assert_eq!(&shown(passed(&ALL_KINDS, window, &bytes)), &expected, "{:?} byte by byte", of);
        }

        #[test]
        fn what_is_shorter_than_the_window_is_replaced_as_the_library_does(text in any_text(), cut: prop::sample::Index) {
            for (regex, rules) in SINGLE.iter() {
                let expected = regex.replace_all(&text, &b"_"[..]).into_owned();
                let at = cut.index(text.len() + 1);
                prop_assert_eq!(passed(rules, 2048, &[&text[..at], &text[at..]]).unwrap(), expected, "{}", regex);
            }
        }
    }
}
