//! Many patterns as few automata: one pass over a text tells every pattern that matches it.
//!
//! A set that would be too big is halved; what is too big alone is left to its own `Regex`. The automata fill a cache
//! of bounded size as they run, one for each thread that searches; apart from that, a search allocates nothing.

use std::{
    fmt,
    ops::Range,
    panic::{RefUnwindSafe, UnwindSafe},
};

use regex_automata::{
    Input, MatchError, MatchKind,
    hybrid::dfa::{Cache, DFA, OverlappingState},
    nfa::thompson::{NFA, WhichCaptures},
    util::pool::Pool,
};

/// What one automaton's program may take, in bytes.
const PROGRAM: usize = 10 << 20;

/// What one automaton needs at least to run in one thread, in bytes; it gets up to twice that.
const WORKSPACE: usize = 6 << 20;

/// What even the smallest may take.
const LEAST: usize = 2 << 20;

/// A pool that makes what it lacks.
pub(crate) type MadePool<T> = Pool<T, fn() -> T>;

/// One automaton of several patterns.
pub(crate) struct PatternAutomaton {
    dfa: DFA,
    /// What each of its patterns is outside.
    indices: Box<[usize]>,
    scratch: Pool<Scratch, Box<dyn Fn() -> Scratch + Send + Sync + UnwindSafe + RefUnwindSafe>>,
}

/// What a search needs for itself.
struct Scratch {
    cache: Cache,
    /// For each pattern: was it found? All false between searches.
    seen: Box<[bool]>,
}

impl PatternAutomaton {
    /// Adds the index of every pattern that matches, in any order. `is_match` is asked where the automaton cannot tell,
    /// which is where `\b` meets letters beyond ASCII.
    pub(crate) fn search(&self, text: &str, matching: &mut Vec<usize>, is_match: impl Fn(usize) -> bool) {
        let mut scratch = self.scratch.get();
        let Scratch { cache, seen } = &mut *scratch;
        let begin = matching.len();
        // Places within the automaton first, for the marks to be taken back.
        let whole = self.each_match(cache, text, |pattern| {
            if !std::mem::replace(&mut seen[pattern], true) {
                matching.push(pattern);
            }
            matching.len() - begin < seen.len()
        });
        for index in &mut matching[begin..] {
            seen[*index] = false;
            *index = self.indices[*index];
        }
        if whole.is_err() {
            matching.truncate(begin);
            matching.extend(self.indices.iter().copied().filter(|index| is_match(*index)));
        }
    }

    /// Tells every match until `more` says that it knows enough; a pattern may be told several times.
    fn each_match(&self, cache: &mut Cache, text: &str, mut more: impl FnMut(usize) -> bool) -> Result<(), MatchError> {
        let (input, mut state) = (Input::new(text), OverlappingState::start());
        loop {
            self.dfa.try_search_overlapping_fwd(cache, &input, &mut state)?;
            match state.get_match() {
                Some(found) if more(found.pattern().as_usize()) => {}
                _ => return Ok(()),
            }
        }
    }

    fn new(patterns: &[(usize, &str)]) -> Option<Self> {
        let texts: Vec<&str> = patterns.iter().map(|(_, text)| *text).collect();
        let program = NFA::config().which_captures(WhichCaptures::None).nfa_size_limit(Some(PROGRAM));
        let program = NFA::compiler().configure(program).build_many(&texts).ok()?;
        let config = DFA::config().match_kind(MatchKind::All).unicode_word_boundary(true);
        let least = config.get_minimum_cache_capacity(&program).ok().filter(|least| *least <= WORKSPACE)?;
        let config = config.cache_capacity(LEAST.max(2 * least));
        let dfa = DFA::builder().configure(config).build_from_nfa(program).ok()?;
        let (made_for, count) = (dfa.clone(), patterns.len());
        let make = move || Scratch { cache: made_for.create_cache(), seen: vec![false; count].into() };
        let indices = patterns.iter().map(|(index, _)| *index).collect();
        Some(Self { dfa, indices, scratch: Pool::new(Box::new(make)) })
    }
}

impl fmt::Debug for PatternAutomaton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternAutomaton").field("patterns", &self.indices.len()).finish_non_exhaustive()
    }
}

/// Automata of these patterns, and the indices of those that are too big for any, ascending.
pub(crate) fn automata(patterns: &[(usize, &str)]) -> (Vec<PatternAutomaton>, Vec<usize>) {
    let (mut made, mut loose) = (Vec::new(), Vec::new());
    let mut ranges: Vec<Range<usize>> = Vec::from_iter((!patterns.is_empty()).then_some(0..patterns.len()));
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
