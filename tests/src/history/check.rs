//! Could a store that does one thing after the other have told all this?

use std::collections::{BTreeMap, BTreeSet, HashMap};

use buntime_keyval::{Atomic, Entry, Key, Part, Versionstamp, key};

use super::{Did, JOURNAL, Op, Outcome, model::Model};

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Writes that happened.
    pub commits: usize,
    /// Of them, those whose answer was lost.
    pub unknown_and_happened: usize,
    /// Writes whose answer was lost and that did not happen.
    pub unknown_and_not: usize,
    /// Messages that were put into a queue.
    pub messages: usize,
    /// Writes whose checks did not hold.
    pub refused: usize,
    /// Reads.
    pub reads: usize,
    /// What watches were told.
    pub told: usize,
}

/// A commit: how it was asked, and as what it happened.
#[derive(Debug)]
struct Commit<'a> {
    op: &'a Op,
    write: &'a Atomic,
    acknowledged: bool,
    stamp: Versionstamp,
}

/// Checks a history. `end` is all that there was when everybody had ended, and `messages` are the writes whose messages were
/// there then.
///
/// # Errors
/// What cannot be, in words; the first of each kind.
pub fn check(ops: &[Op], end: &[Entry], messages: &[u32]) -> Result<Checked, String> {
    let mut checked = Checked::default();
    let commits = commits(ops, end, &mut checked)?;
    in_real_time(&commits)?;
    checked.messages = each_message_once(&commits, messages)?;
    let model = replay(&commits)?;
    if let [first, rest @ ..] = model.differences(end).as_slice() {
        return Err(format!("in the end {first}, and {} more differ", rest.len()));
    }
    Answers::new(&commits, &model, ops).check(&mut checked)?;
    watches(ops, &commits, &model, &mut checked)?;
    Ok(checked)
}

/// The writes that happened, in the order of their versionstamps.
fn commits<'a>(ops: &'a [Op], end: &[Entry], checked: &mut Checked) -> Result<Vec<Commit<'a>>, String> {
    let mut journal = journal(end)?;
    let mut commits = Vec::new();
    for op in ops {
        let Did::Write { id, write, outcome } = &op.did else { continue };
        let happened = journal.remove(id);
        match (outcome, happened) {
            (Outcome::Yes(stamp), None) => return Err(format!("the acknowledged write {id} ({stamp}) was lost")),
            (Outcome::Yes(told), Some(stamp)) if *told != stamp => {
                return Err(format!("write {id} was acknowledged as {told}, and is {stamp}"));
            }
            (Outcome::No(_) | Outcome::Nothing(_), Some(stamp)) => {
                return Err(format!("write {id} was refused ({outcome:?}), and happened as {stamp}"));
            }
            (Outcome::No(_), None) => checked.refused += 1,
            (Outcome::Unknown, None) => checked.unknown_and_not += 1,
            (Outcome::Nothing(_), None) => {}
            (Outcome::Yes(_) | Outcome::Unknown, Some(stamp)) => {
                let acknowledged = *outcome != Outcome::Unknown;
                checked.unknown_and_happened += usize::from(!acknowledged);
                commits.push(Commit { op, write, acknowledged, stamp });
            }
        }
    }
    if let Some((id, stamp)) = journal.into_iter().next() {
        return Err(format!("nobody wrote what is in the journal as {id} ({stamp})"));
    }
    commits.sort_unstable_by_key(|commit| commit.stamp);
    let stamps: BTreeSet<Versionstamp> = commits.iter().map(|commit| commit.stamp).collect();
    if stamps.len() < commits.len() {
        return Err("two commits have one versionstamp".to_owned());
    }
    checked.commits = commits.len();
    Ok(commits)
}

fn journal(end: &[Entry]) -> Result<HashMap<u32, Versionstamp>, String> {
    let mut journal = HashMap::new();
    for entry in end.iter().filter(|entry| entry.key.is_below(&key![JOURNAL])) {
        let id = match entry.key.parts().get(1) {
            Some(Part::Number(id)) => *id as u32,
            _ => return Err(format!("{:?} is no entry of the journal", entry.key)),
        };
        journal.insert(id, entry.versionstamp);
    }
    Ok(journal)
}

/// What ended before something else began has the lesser versionstamp.
fn in_real_time(commits: &[Commit<'_>]) -> Result<(), String> {
    let mut latest: Option<&Commit<'_>> = None;
    for commit in commits {
        if let Some(before) = latest.filter(|before| commit.acknowledged && commit.op.end < before.op.start) {
            return Err(format!("{} ended before {} began", commit.stamp, before.stamp));
        }
        if latest.is_none_or(|latest| latest.op.start < commit.op.start) {
            latest = Some(commit);
        }
    }
    Ok(())
}

/// The messages of each commit are there, once, and no others.
fn each_message_once(commits: &[Commit<'_>], messages: &[u32]) -> Result<usize, String> {
    let id = |commit: &Commit<'_>| match &commit.op.did {
        Did::Write { id, write, .. } if !write.messages.is_empty() => Some(*id),
        _ => None,
    };
    let mut should: Vec<u32> = commits.iter().filter_map(id).collect();
    let mut is = messages.to_vec();
    should.sort_unstable();
    is.sort_unstable();
    if should == is {
        return Ok(is.len());
    }
    let missing: Vec<&u32> = should.iter().filter(|id| !is.contains(id)).collect();
    let more: Vec<&u32> = is.iter().filter(|id| !should.contains(id)).collect();
    Err(format!(
        "of the messages of {} commits {missing:?} are missing, and {more:?} (or some twice) are too many",
        should.len()
    ))
}

fn replay(commits: &[Commit<'_>]) -> Result<Model, String> {
    let mut model = Model::default();
    for commit in commits {
        let failed = model.failed(commit.write, model.commits());
        if !failed.is_empty() {
            let checks = &commit.write.checks;
            return Err(format!("{} happened, though of {checks:?} those at {failed:?} do not hold", commit.stamp));
        }
        model.apply(commit.write, commit.stamp)?;
    }
    Ok(model)
}

/// Answers, in the order they were asked for.
struct Answers<'a> {
    model: &'a Model,
    /// By when each operation ended: the state that was there at the least, and stays so for all that begin later.
    floor: Vec<(u64, usize)>,
    /// By when each commit was asked for: the least number of it and of all later ones.
    ceiling: Vec<(u64, usize)>,
    ops: Vec<&'a Op>,
}

impl<'a> Answers<'a> {
    fn new(commits: &[Commit<'_>], model: &'a Model, ops: &'a [Op]) -> Self {
        let mut floor: Vec<(u64, usize)> = commits
            .iter()
            .enumerate()
            .filter(|(_, commit)| commit.acknowledged)
            .map(|(at, commit)| (commit.op.end, at + 1))
            .collect();
        floor.sort_unstable();
        let mut ops: Vec<&Op> = ops.iter().collect();
        ops.sort_by_key(|op| op.start);
        Self { model, floor, ceiling: ceiling(commits), ops }
    }

    /// Each answer gets the first state that it can be of. So those that come later have the most to choose from.
    fn check(self, checked: &mut Checked) -> Result<(), String> {
        // What was chosen by who ended when, until that is before what is looked at.
        let mut open: BTreeMap<(u64, usize), usize> = BTreeMap::new();
        let (mut least, mut acknowledged) = (0, 0);
        for (at, op) in self.ops.iter().enumerate() {
            while let Some((_, state)) = self.floor.get(acknowledged).filter(|(end, _)| *end < op.start) {
                least = least.max(*state);
                acknowledged += 1;
            }
            while let Some(first) = open.first_entry().filter(|first| first.key().0 < op.start) {
                least = least.max(first.remove());
            }
            let most = most(&self.ceiling, op.end, self.model.commits());
            let fits: Box<dyn Fn(usize) -> bool> = match &op.did {
                Did::Read { ranges, found } => {
                    checked.reads += 1;
                    Box::new(move |state| self.model.had(ranges, found, state))
                }
                Did::Write { write, outcome: Outcome::No(failed), .. } => {
                    Box::new(move |state| self.model.failed(write, state) == *failed)
                }
                Did::Write { .. } | Did::Told { .. } => continue,
            };
            let Some(state) = (least..=most).find(|state| fits(*state)) else {
                let ever = (0..=self.model.commits()).find(|state| fits(*state));
                return Err(format!(
                    "an answer is of no moment between {least} and {most} commits (but {ever:?}): {op:?}"
                ));
            };
            open.insert((op.end, at), state);
        }
        Ok(())
    }
}

/// Commits that were not asked for before that time come later.
fn ceiling(commits: &[Commit<'_>]) -> Vec<(u64, usize)> {
    let mut ceiling: Vec<(u64, usize)> = commits.iter().enumerate().map(|(at, commit)| (commit.op.start, at)).collect();
    ceiling.sort_unstable();
    let mut least = usize::MAX;
    for (_, at) in ceiling.iter_mut().rev() {
        least = least.min(*at);
        *at = least;
    }
    ceiling
}

fn most(ceiling: &[(u64, usize)], end: u64, commits: usize) -> usize {
    let after = ceiling.partition_point(|(start, _)| *start <= end);
    ceiling.get(after).map_or(commits, |(_, before)| *before)
}

/// After how many commits a watch was told something last, its keys, and how they were.
type Last<'a> = (usize, &'a [Key], &'a [Option<Entry>]);

/// Watches go forward, tell nothing that was not, and end with the last state.
fn watches(ops: &[Op], commits: &[Commit<'_>], model: &Model, checked: &mut Checked) -> Result<(), String> {
    let ceiling = ceiling(commits);
    let mut last: BTreeMap<usize, Last<'_>> = BTreeMap::new();
    for op in ops {
        let Did::Told { watch, keys, state } = &op.did else { continue };
        checked.told += 1;
        let least = last.get(watch).map_or(0, |(at, ..)| *at);
        let most = most(&ceiling, op.end, model.commits());
        let Some(at) = (least..=most).find(|at| model.were(keys, state, *at)) else {
            return Err(format!("watch {watch} was told what was not between {least} and {most} commits: {op:?}"));
        };
        last.insert(*watch, (at, keys, state));
    }
    for (watch, (_, keys, state)) in last {
        if !model.were(keys, state, model.commits()) {
            return Err(format!("watch {watch} was never told the last state; it has {state:?}"));
        }
    }
    Ok(())
}
