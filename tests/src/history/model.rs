//! What a store would be that does one thing after the other.

use std::collections::BTreeMap;

use buntime_keyval::{Atomic, Change, Entry, Key, Range, Value, Versionstamp};

/// How a key was after some commits.
#[derive(Clone, Debug)]
struct Step {
    /// After how many commits.
    at: usize,
    entry: Option<(Value, Versionstamp)>,
}

/// All states there were, one after each commit. State 0 is empty.
#[derive(Debug, Default)]
pub(super) struct Model {
    keys: BTreeMap<Key, Vec<Step>>,
    commits: usize,
}

impl Model {
    /// The entry of a key in a state.
    pub(super) fn get(&self, key: &Key, state: usize) -> Option<&(Value, Versionstamp)> {
        let steps = self.keys.get(key)?;
        let after = steps.partition_point(|step| step.at <= state);
        steps.get(after.checked_sub(1)?)?.entry.as_ref()
    }

    /// The checks of a write that do not hold in a state.
    pub(super) fn failed(&self, write: &Atomic, state: usize) -> Vec<usize> {
        let is = |key: &Key| self.get(key, state).map(|(_, stamp)| *stamp);
        let checks = write.checks.iter().enumerate();
        checks.filter(|(_, check)| is(&check.key) != check.versionstamp).map(|(at, _)| at).collect()
    }

    /// Does a write on top of the last state.
    ///
    /// # Errors
    /// A change that this model does not know.
    pub(super) fn apply(&mut self, write: &Atomic, stamp: Versionstamp) -> Result<(), String> {
        let before = self.commits;
        self.commits += 1;
        for mutation in &write.mutations {
            let mut present = self.get(&mutation.key, self.commits).map(|(value, _)| value.clone());
            let old = |present: &Option<Value>| match present {
                Some(Value::U64(number)) => Some(*number),
                _ => None,
            };
            let value = match &mutation.change {
                Change::Set(value) => Some(value.clone()),
                Change::Delete => None,
                Change::Sum(Value::U64(add), _) => Some(Value::U64(old(&present).unwrap_or(0).wrapping_add(*add))),
                Change::Max(Value::U64(new)) => Some(Value::U64(old(&present).map_or(*new, |old| old.max(*new)))),
                Change::Min(Value::U64(new)) => Some(Value::U64(old(&present).map_or(*new, |old| old.min(*new)))),
                other => return Err(format!("the model does not know {other:?}")),
            };
            present.clone_from(&value);
            let steps = self.keys.entry(mutation.key.clone()).or_default();
            // The last of several changes of one write is what stays.
            steps.retain(|step| step.at <= before);
            steps.push(Step { at: self.commits, entry: value.map(|value| (value, stamp)) });
        }
        Ok(())
    }

    /// How many commits there were.
    pub(super) fn commits(&self) -> usize {
        self.commits
    }

    /// What a range has in a state.
    pub(super) fn range(&self, range: &Range, state: usize) -> Vec<(&Key, &(Value, Versionstamp))> {
        let bounds = (std::ops::Bound::Included(&*range.start), std::ops::Bound::Excluded(&*range.end));
        let keys = self.keys.range::<[u8], _>(bounds).map(|(key, _)| key);
        let there = |key| self.get(key, state).map(|entry| (key, entry));
        let limit = range.limit as usize;
        if range.reverse {
            keys.rev().filter_map(there).take(limit).collect()
        } else {
            keys.filter_map(there).take(limit).collect()
        }
    }

    /// Is this what the ranges had in a state?
    pub(super) fn had(&self, ranges: &[Range], found: &[Vec<Entry>], state: usize) -> bool {
        ranges.len() == found.len()
            && ranges.iter().zip(found).all(|(range, found)| same(&self.range(range, state), found))
    }

    /// Were keys so in a state?
    pub(super) fn were(&self, keys: &[Key], told: &[Option<Entry>], state: usize) -> bool {
        keys.iter().zip(told).all(|(key, told)| match (self.get(key, state), told) {
            (None, None) => true,
            (Some((value, stamp)), Some(entry)) => entry.value == *value && entry.versionstamp == *stamp,
            _ => false,
        })
    }

    /// What differs between the last state and these entries.
    pub(super) fn differences(&self, entries: &[Entry]) -> Vec<String> {
        let there: BTreeMap<&Key, &Entry> = entries.iter().map(|entry| (&entry.key, entry)).collect();
        let mut all: Vec<&Key> = self.keys.keys().chain(there.keys().copied()).collect();
        all.sort_unstable();
        all.dedup();
        let differs = |key: &&Key| {
            let should = self.get(key, self.commits);
            let is = there.get(*key).map(|entry| (entry.value.clone(), entry.versionstamp));
            should.cloned() != is
        };
        let words = |key: &Key| {
            let is = there.get(key).map(|entry| (&entry.value, entry.versionstamp));
            format!("{key:?} should be {:?} and is {is:?}", self.get(key, self.commits))
        };
        all.into_iter().filter(differs).map(words).collect()
    }
}

fn same(should: &[(&Key, &(Value, Versionstamp))], is: &[Entry]) -> bool {
    should.len() == is.len()
        && should.iter().zip(is).all(|((key, (value, stamp)), entry)| {
            entry.key == **key && entry.value == *value && entry.versionstamp == *stamp
        })
}
