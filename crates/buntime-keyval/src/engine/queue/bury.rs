//! Making dead letters of messages, and setting the keys they are to be set at.
//!
//! A letter is never lost. The keys are set as any write would set them: one that is not free in a unique index, or for
//! which the namespace has no room left, is not set, and the letter's reason says so.

use std::collections::{BTreeMap, HashMap};

use buntime_database::{Outcome, Statement, args};

use super::{lease::Found, stored};
use crate::{
    Key, Result, Value,
    engine::{
        index::{Declared, Documents, Hold, Written},
        quota::{self, Held},
        row::signed,
        trigger::{Effect, Triggers},
        write::ticked,
    },
};

/// Characters of a reason that are kept.
const REASON: usize = 1000;

/// Messages that are put aside in one commit.
pub(super) struct Burial<'a> {
    pub(super) ns: i64,
    pub(super) now: u64,
    pub(super) index: &'a Hold,
    pub(super) reason: &'a str,
    pub(super) all: &'a [&'a Found],
}

/// What comes next.
pub(super) enum Step {
    /// This is read, and then it is asked again.
    Look(Vec<Statement>),
    Write(Vec<Statement>),
    Done,
}

/// What becomes of the keys.
#[derive(Default)]
struct Sets<'a> {
    set: BTreeMap<Key, Value>,
    /// Why these are not.
    left: HashMap<Key, String>,
    held: Option<Held<'a>>,
}

impl Burial<'_> {
    /// What comes next, given the clock that ticked and what was returned since.
    ///
    /// # Errors
    /// The database's, or of a message that is not what was written.
    pub(super) fn next(&self, clock: &Outcome, since: &[Outcome]) -> Result<Step> {
        let (read, since) = match (self.index.ask(clock, self.keys())?, since) {
            (Some(ask), []) => return Ok(Step::Look(vec![ask])),
            (Some(_), [read, since @ ..]) => (Some(read), since),
            (None, since) => (None, since),
        };
        let declared = self.index.declared(read)?;
        let wanted = self.wanted()?;
        let looks = self.looks(&declared, &wanted);
        if since.len() < looks.len() {
            return Ok(Step::Look(looks));
        }
        if since.len() > looks.len() {
            return Ok(Step::Done);
        }
        self.write(&declared, clock, &sets(&declared, wanted, since)?).map(Step::Write)
    }

    /// Tells triggers what was set, once it is committed.
    pub(super) fn tell(&self, clock: &Outcome, since: &[Outcome], triggers: &Triggers) {
        // A plan that cannot read them would not have been committed.
        let set = self.set(clock, since).unwrap_or_default();
        let effect = |value| Effect::Set { value, expires_at: None };
        triggers.committed(self.ns, ticked(clock), set.into_iter().map(|(key, value)| (key, effect(value))));
    }

    fn set(&self, clock: &Outcome, since: &[Outcome]) -> Result<BTreeMap<Key, Value>> {
        let read = self.index.ask(clock, self.keys())?.and(since.first());
        let declared = self.index.declared(read)?;
        let (wanted, first) = (self.wanted()?, usize::from(read.is_some()));
        // What came behind the looks is of what was written.
        let looked = first..first + self.looks(&declared, &wanted).len();
        Ok(sets(&declared, wanted, since.get(looked).unwrap_or_default())?.set)
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        self.all.iter().flat_map(|found| stored::read_keys(&found.undelivered))
    }

    /// The keys, each once, and to what they are to be set.
    fn wanted(&self) -> Result<BTreeMap<Key, Value>> {
        let mut wanted = BTreeMap::new();
        for found in self.all {
            let keys = stored::read_keys(&found.undelivered);
            if !keys.is_empty() {
                let value = Value::from_parts(found.encoding, found.payload.as_slice())?;
                wanted.extend(keys.into_iter().map(|key| (key, value.clone())));
            }
        }
        Ok(wanted)
    }

    /// What has to be known before they are set, in the order of [`sets`].
    fn looks(&self, declared: &Declared, wanted: &BTreeMap<Key, Value>) -> Vec<Statement> {
        let mut looks = declared.who_has(self.ns, self.now, &written(wanted));
        if declared.quota.is_some() && !wanted.is_empty() {
            looks.extend(quota::look(self.ns, &wanted.keys().collect::<Vec<_>>()));
        }
        looks
    }

    fn write(&self, declared: &Declared, clock: &Outcome, sets: &Sets<'_>) -> Result<Vec<Statement>> {
        let version = signed(ticked(clock));
        let (written, mut into) = (written(&sets.set), Vec::new());
        declared.before(self.ns, &written, &mut into);
        for (key, value) in &sets.set {
            into.push(Statement::new(
                "INSERT INTO kv_entries (ns, key, value, encoding, version, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, NULL) \
                 ON CONFLICT (ns, key) DO UPDATE SET value = excluded.value, encoding = excluded.encoding, \
                 version = excluded.version, expires_at = NULL",
                args![self.ns, key.as_bytes(), value.to_data(), value.encoding(), version],
            ));
        }
        declared.with(&written, version, &Documents::default(), &mut into)?;
        into.extend(sets.held.as_ref().map(|held| held.account(self.ns)));
        for found in self.all {
            into.push(letter(self.ns, found, &self.reason_of(found, &sets.left), self.now));
            into.push(Statement::new("DELETE FROM kv_messages WHERE id = ?1", args![found.id.as_str()]));
        }
        Ok(into)
    }

    fn reason_of(&self, found: &Found, left: &HashMap<Key, String>) -> String {
        let mut reason = self.reason.to_owned();
        if !left.is_empty() {
            for key in stored::read_keys(&found.undelivered) {
                if let Some(why) = left.get(&key) {
                    reason.push_str(&format!("; {key:?} was not set: {why}"));
                }
            }
        }
        reason.chars().take(REASON).collect()
    }
}

fn written(sets: &BTreeMap<Key, Value>) -> Vec<Written<'_>> {
    sets.iter().map(|(key, value)| Written::new(key, Some(value))).collect()
}

/// Which keys are set, given what the looks found.
fn sets<'a>(declared: &'a Declared, wanted: BTreeMap<Key, Value>, found: &[Outcome]) -> Result<Sets<'a>> {
    let written = written(&wanted);
    let (probes, held) = found.split_at_checked(declared.probed(&written)).unwrap_or((found, &[]));
    let mut left = declared.clashes(&written, probes)?;
    let mut held = match &declared.quota {
        Some(quota) if !held.is_empty() => Some(Held::read(quota, held)?),
        _ => None,
    };
    let mut set = BTreeMap::new();
    for (key, value) in wanted {
        if left.contains_key(&key) {
            continue;
        }
        match held.as_mut().map_or(Ok(()), |held| held.put_if_it_fits(&key, &value)) {
            Ok(()) => drop(set.insert(key, value)),
            Err(full) => drop(left.insert(key, full.to_string())),
        }
    }
    Ok(Sets { set, left, held })
}

fn letter(ns: i64, found: &Found, reason: &str, now: u64) -> Statement {
    Statement::new(
        "INSERT INTO kv_dead (id, ns, queue, message, payload, encoding, reason, attempts, backoff, undelivered, priority, \
         created_at, failed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        args![
            // Of each message there is one at most.
            found.id.as_str(),
            ns,
            found.queue.as_str(),
            found.id.as_str(),
            found.payload.as_slice(),
            found.encoding,
            reason,
            found.attempts,
            found.backoff.as_str(),
            found.undelivered.as_slice(),
            found.priority,
            found.created_at,
            signed(now),
        ],
    )
}
