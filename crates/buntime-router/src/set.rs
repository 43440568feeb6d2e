//! Many patterns as few automata: one pass over a text tells every pattern that matches it.
//!
//! A set that would be too big is halved; what is too big alone is left to its own `Regex`. The automata fill a cache
//! of bounded size as they run; apart from that, a search on a thread that has searched before allocates nothing.

use std::{fmt, ops::Range};

use regex_automata::{Input, MatchKind, PatternSet, meta::Regex, nfa::thompson::WhichCaptures, util::pool::Pool};

/// Patterns of one automaton at most.
const MOST: usize = 4096;

/// What one automaton's program may take, in bytes.
const PROGRAM: usize = 10 << 20;

/// What one automaton's cache may take in each thread that searches, in bytes.
const CACHE: usize = 4 << 20;

/// A pool that makes what it lacks.
pub(crate) type MadePool<T> = Pool<T, fn() -> T>;

/// One automaton of several patterns.
pub(crate) struct PatternAutomaton {
    regex: Regex,
    /// What each of its patterns is outside.
    indices: Box<[usize]>,
    scratch: Pool<
        PatternSet,
        Box<dyn Fn() -> PatternSet + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>,
    >,
}

impl PatternAutomaton {
    /// Adds the index of every pattern that matches.
    pub(crate) fn search(&self, text: &str, matching: &mut Vec<usize>) {
        let mut set = self.scratch.get();
        set.clear();
        self.regex.which_overlapping_matches(&Input::new(text), &mut set);
        matching.extend(set.iter().map(|pattern| self.indices[pattern.as_usize()]));
    }

    fn new(patterns: &[(usize, &str)]) -> Option<Self> {
        let config = Regex::config()
            .match_kind(MatchKind::All)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(PROGRAM))
            .hybrid_cache_capacity(CACHE);
        let texts: Vec<&str> = patterns.iter().map(|(_, text)| *text).collect();
        let regex = Regex::builder().configure(config).build_many(&texts).ok()?;
        let len = regex.pattern_len();
        Some(Self {
            regex,
            indices: patterns.iter().map(|(index, _)| *index).collect(),
            scratch: Pool::new(Box::new(move || PatternSet::new(len))),
        })
    }
}

impl fmt::Debug for PatternAutomaton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternAutomaton").field("patterns", &self.indices.len()).finish_non_exhaustive()
    }
}

/// Automata of these patterns, and the indices of those that are too big for any.
pub(crate) fn automata(patterns: &[(usize, &str)]) -> (Vec<PatternAutomaton>, Vec<usize>) {
    let (mut made, mut loose) = (Vec::new(), Vec::new());
    let mut ranges: Vec<Range<usize>> = (0..patterns.len().div_ceil(MOST))
        .rev()
        .map(|part| part * MOST..patterns.len().min((part + 1) * MOST))
        .collect();
    while let Some(range) = ranges.pop() {
        match PatternAutomaton::new(&patterns[range.clone()]) {
            Some(automaton) => made.push(automaton),
            None if range.len() == 1 => loose.push(patterns[range.start].0),
            None => {
                let middle = range.start + range.len() / 2;
                ranges.extend([middle..range.end, range.start..middle]);
            }
        }
    }
    (made, loose)
}
