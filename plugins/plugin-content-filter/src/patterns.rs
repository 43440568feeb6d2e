//! Regular expressions that search a stream: which match comes next, and whether one may be under way at the end.

use std::fmt;

use regex_automata::{
    Anchored, Input,
    hybrid::dfa::{Cache, DFA},
    meta::Regex,
    util::{pool::Pool, syntax},
};

use crate::ready::Check;

/// Bytes of compiled patterns of one rule, and of its automaton's memory for each body.
const LARGEST: usize = 4 << 20;
const LARGEST_CACHE: usize = 1 << 20;

type Caches = Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>>;

/// The patterns of a rule. Of two matches that begin at one place that of the earlier pattern counts.
pub(crate) struct Patterns {
    regex: Regex,
    automaton: DFA,
    caches: Caches,
    checks: Vec<Check>,
}

impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patterns").field("checks", &self.checks).finish_non_exhaustive()
    }
}

/// A match: where it begins and ends, and of which pattern it is.
pub(crate) type Span = (usize, usize, usize);

/// Bytes, not characters: bodies may be anything.
fn config() -> syntax::Config {
    syntax::Config::new().utf8(false)
}

/// Why a pattern cannot search a stream.
pub(crate) fn unfit(pattern: &str, window: usize) -> Option<String> {
    if let Err(bad) = buntime_router::path_pattern::linear_regex(pattern) {
        return Some(bad.to_string());
    }
    let parsed = match syntax::parse_with(pattern, &config()) {
        Ok(parsed) => parsed,
        Err(error) => return Some(error.to_string()),
    };
    let properties = parsed.properties();
    if properties.minimum_len() == Some(0) {
        return Some("it matches where there is nothing".to_owned());
    }
    let least = properties.minimum_len().unwrap_or_default();
    (least > window).then(|| format!("it matches {least} bytes at least, and the window is {window}"))
}

impl Patterns {
    /// Compiles them.
    ///
    /// # Errors
    /// In words, if they are too big.
    pub(crate) fn new(patterns: &[(&str, Check)]) -> Result<Self, String> {
        let texts: Vec<&str> = patterns.iter().map(|(text, _)| *text).collect();
        let limits = Regex::config().utf8_empty(false).nfa_size_limit(Some(LARGEST));
        let regex = Regex::builder().configure(limits).syntax(config()).build_many(&texts);
        let regex = regex.map_err(|_| "these patterns are too big".to_owned())?;
        let limits =
            DFA::config().unicode_word_boundary(true).cache_capacity(LARGEST_CACHE).skip_cache_capacity_check(true);
        let thompson = regex_automata::nfa::thompson::Config::new().utf8(false).nfa_size_limit(Some(LARGEST));
        let automaton = DFA::builder().configure(limits).thompson(thompson).syntax(config()).build_many(&texts);
        let automaton = automaton.map_err(|_| "these patterns are too big".to_owned())?;
        let of_pool = automaton.clone();
        let caches: Caches = Pool::new(Box::new(move || of_pool.create_cache()));
        Ok(Self { regex, automaton, caches, checks: patterns.iter().map(|(_, check)| *check).collect() })
    }

    /// The first match at or after `from`, of at most `window` bytes. What stands before `from` is seen by `\b` and the
    /// like.
    pub(crate) fn next(&self, text: &[u8], from: usize, window: usize) -> Option<Span> {
        let mut from = from;
        let mut cache = self.caches.get();
        loop {
            // Nothing that is short enough begins before this: every match ends there or later. Where the automaton
            // cannot tell, everything is looked at.
            let earliest = Input::new(text).range(from..).earliest(true);
            if let Ok(ends) = self.automaton.try_search_fwd(&mut cache, &earliest) {
                from = from.max(ends?.offset().saturating_sub(window));
            }
            let begins = self.regex.search(&Input::new(text).range(from..))?.start();
            let until = text.len().min(begins.saturating_add(window));
            let found = self.regex.search(&Input::new(text).range(begins..until).anchored(Anchored::Yes));
            if let Some(found) = found {
                let check = self.checks.get(found.pattern().as_usize()).copied().unwrap_or_default();
                if let Some(length) = check.end(text.get(begins..found.end()).unwrap_or_default()) {
                    return Some((begins, begins + length, found.pattern().as_usize()));
                }
            }
            from = begins + 1;
        }
    }

    /// The first place at or after `from` where a match may be under way that what follows the text decides; the
    /// text's end if there is none.
    pub(crate) fn open(&self, text: &[u8], from: usize) -> usize {
        let mut cache = self.caches.get();
        (from..text.len()).find(|begin| self.is_open(&mut cache, text, *begin)).unwrap_or(text.len())
    }

    fn is_open(&self, cache: &mut Cache, text: &[u8], begin: usize) -> bool {
        // The automaton looks at the byte before; where it cannot tell, the match counts as under way.
        let input = Input::new(text).range(begin..).anchored(Anchored::Yes);
        let Ok(mut state) = self.automaton.start_state_forward(cache, &input) else { return true };
        for byte in text.get(begin..).unwrap_or_default() {
            if state.is_dead() {
                return false;
            }
            if state.is_quit() {
                return true;
            }
            match self.automaton.next_state(cache, state, *byte) {
                Ok(next) => state = next,
                Err(_) => return true,
            }
        }
        !state.is_dead()
    }
}
