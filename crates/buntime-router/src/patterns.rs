//! An ordered list of regular expressions, of which the first that matches wins, searched without trying them all.

use std::collections::BTreeMap;

use regex::Regex;
use regex_automata::util::pool::{Pool, PoolGuard};

use crate::{
    literal::literal_prefix,
    set::{MadePool, PatternAutomaton, automata},
    tree::PrefixTree,
};

/// As many patterns are tried one by one; more of one beginning become an automaton.
const FEW: usize = 8;

/// Regular expressions in order, each with a value.
///
/// Means exactly what a scan from the first to the last means. Patterns that begin with `^` and then literally
/// (`^/legacy/(.*)$`) are found by that beginning; many of one beginning, or of none, are searched together in one pass.
/// A pattern must say itself what it means: options given to a `RegexBuilder` instead of in the text (`(?i)`) are lost.
#[derive(Debug)]
pub struct Patterns<T> {
    list: Box<[(Regex, T)]>,
    tree: PrefixTree,
    /// By the key of their literal beginning.
    groups: Box<[Group]>,
    matching: MadePool<Vec<usize>>,
}

/// The patterns of one literal beginning.
#[derive(Debug, Default)]
struct Group {
    /// Tried one by one; ascending.
    loose: Vec<usize>,
    /// Searched together.
    automata: Vec<PatternAutomaton>,
}

/// A pattern that matches.
#[derive(Debug)]
pub struct Hit<'a, T> {
    /// Its place in the list.
    pub index: usize,
    /// The pattern.
    pub regex: &'a Regex,
    /// Its value.
    pub value: &'a T,
}

impl<T> Clone for Hit<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Hit<'_, T> {}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self::new([])
    }
}

impl<T> FromIterator<(Regex, T)> for Patterns<T> {
    fn from_iter<I: IntoIterator<Item = (Regex, T)>>(list: I) -> Self {
        Self::new(list)
    }
}

impl<T> Patterns<T> {
    /// These patterns, in this order.
    pub fn new(list: impl IntoIterator<Item = (Regex, T)>) -> Self {
        let list: Box<[(Regex, T)]> = list.into_iter().collect();
        let mut by_prefix: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for (index, (regex, _)) in list.iter().enumerate() {
            by_prefix.entry(literal_prefix(regex.as_str())).or_default().push(index);
        }
        let keys: Vec<&Vec<u8>> = by_prefix.keys().collect();
        let tree = PrefixTree::new(&keys);
        let group = |loose: Vec<usize>| {
            if loose.len() <= FEW {
                return Group { loose, automata: Vec::new() };
            }
            let texts: Vec<(usize, &str)> = loose.iter().map(|index| (*index, list[*index].0.as_str())).collect();
            let (automata, loose) = automata(&texts);
            Group { loose, automata }
        };
        let groups = by_prefix.into_values().map(group).collect();
        Self { list, tree, groups, matching: Pool::new(Vec::new) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Regex, &T)> {
        self.list.iter().map(|(regex, value)| (regex, value))
    }

    /// The first that matches.
    pub fn find<'a>(&'a self, text: &'a str) -> Option<Hit<'a, T>> {
        self.find_all(text).next()
    }

    /// Every one that matches, in order; each is searched for when it is asked for.
    pub fn find_all<'a>(&'a self, text: &'a str) -> Matches<'a, T> {
        Matches { patterns: self, text, group: self.tree.longest(text.as_bytes()), from: 0, together: None }
    }
}

/// See [`Patterns::find_all`].
pub struct Matches<'a, T> {
    patterns: &'a Patterns<T>,
    text: &'a str,
    /// The group of the longest beginning; the others follow by the tree.
    group: Option<usize>,
    /// The first index not yet looked at.
    from: usize,
    together: Option<Together<'a>>,
}

/// What the automata of all groups have found, ascending. None where there are no automata.
type Together<'a> = Option<PoolGuard<'a, Vec<usize>, fn() -> Vec<usize>>>;

impl<'a, T> Matches<'a, T> {
    fn groups(&self) -> impl Iterator<Item = &'a Group> + use<'a, T> {
        let patterns = self.patterns;
        std::iter::successors(self.group, |key| patterns.tree.shorter(*key)).map(|key| &patterns.groups[key])
    }

    fn search_together(&self) -> Together<'a> {
        let mut matching: Together<'a> = None;
        for automaton in self.groups().flat_map(|group| &group.automata) {
            let matching = matching.get_or_insert_with(|| {
                let mut empty = self.patterns.matching.get();
                empty.clear();
                empty
            });
            let list = &self.patterns.list;
            automaton.search(self.text, matching, |index| list[index].0.is_match(self.text));
        }
        if let Some(matching) = &mut matching {
            matching.sort_unstable();
        }
        matching
    }

    /// The least index from `from` on of a pattern that matches.
    fn least(&mut self) -> Option<usize> {
        if self.together.is_none() {
            self.together = Some(self.search_together());
        }
        let from = self.from;
        let together = self.together.as_ref().and_then(Option::as_deref);
        let mut least = together.and_then(|all| all.get(all.partition_point(|index| *index < from)).copied());
        for group in self.groups() {
            let begin = group.loose.partition_point(|index| *index < from);
            let open = group.loose[begin..].iter().take_while(|index| least.is_none_or(|least| **index < least));
            least = open.copied().find(|index| self.patterns.list[*index].0.is_match(self.text)).or(least);
        }
        least
    }
}

impl<'a, T> Iterator for Matches<'a, T> {
    type Item = Hit<'a, T>;

    fn next(&mut self) -> Option<Hit<'a, T>> {
        if self.from >= self.patterns.list.len() {
            return None;
        }
        let found = self.least();
        self.from = found.map_or(self.patterns.list.len(), |index| index + 1);
        let index = found?;
        let (regex, value) = &self.patterns.list[index];
        Some(Hit { index, regex, value })
    }
}

impl<T> std::iter::FusedIterator for Matches<'_, T> {}

impl<T> std::fmt::Debug for Matches<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matches").field("text", &self.text).field("from", &self.from).finish_non_exhaustive()
    }
}
