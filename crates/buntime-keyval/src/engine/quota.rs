//! How much a namespace may hold.

use std::{collections::HashMap, sync::Arc};

use buntime_database::{Next, Outcome, Plan, Statement, args};

use super::{
    Namespace, index, places,
    row::{signed, unsigned},
};
use crate::{Error, Key, Result, Value};

/// What a namespace may hold; entries that have expired count until they are swept away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Entries.
    pub entries: Option<u64>,
    /// Bytes of keys and values.
    pub bytes: Option<u64>,
}

impl Quota {
    pub(super) fn of(entries: Option<i64>, bytes: Option<i64>) -> Option<Self> {
        let quota = Self { entries: entries.map(unsigned), bytes: bytes.map(unsigned) };
        (quota != Self::default()).then_some(quota)
    }

    /// # Errors
    /// [`Error::Quota`], if the change makes more of it and it is too much.
    fn check(&self, entries: i64, more_entries: i64, bytes: i64, more_bytes: i64) -> Result<()> {
        let exceeds = |most: Option<u64>, now: i64, more: i64| {
            // Less than nothing cannot be held: sums that say so do not let more in than an empty namespace.
            most.is_some_and(|most| more > 0 && unsigned(now.max(0).saturating_add(more)) > most)
        };
        if exceeds(self.entries, entries, more_entries) {
            let most = self.entries.unwrap_or_default();
            return Err(Error::Quota(format!("The namespace is full (max {most} entries)").into()));
        }
        if exceeds(self.bytes, bytes, more_bytes) {
            let most = self.bytes.unwrap_or_default();
            return Err(Error::Quota(format!("The namespace is full (max {most} bytes)").into()));
        }
        Ok(())
    }
}

impl Namespace {
    /// Limits what it may hold; what is there already stays. From now on its sums are kept; they are counted once. Every
    /// write that comes after it goes by it, on whatever node.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_quota(&self, quota: Quota) -> Result<()> {
        self.engine.database.planned(Arc::new(SetQuota { ns: self.id, quota })).await?;
        Ok(())
    }
}

/// Reads what a namespace holds, and what these keys' rows take of it, whether they have expired or not: that is what a
/// write replaces. For [`Held::read`].
pub(super) fn look(ns: i64, keys: &[&Key]) -> Vec<Statement> {
    let sums = Statement::new("SELECT entries, bytes FROM kv_namespaces WHERE id = ?1", args![ns]);
    let rows = |some: &[&Key]| {
        let mut args = args![ns];
        let places = places::keys(some, &mut args);
        let sql =
            format!("SELECT key, length(key) + length(value) FROM kv_entries WHERE ns = ?1 AND key IN ({places})");
        Statement::new(sql, args)
    };
    std::iter::once(sums).chain(keys.chunks(places::SOME).map(rows)).collect()
}

/// What a namespace with a quota holds, and what a commit makes of it.
#[derive(Debug)]
pub(super) struct Held<'a> {
    quota: &'a Quota,
    entries: i64,
    bytes: i64,
    /// What each row takes, of the keys that were looked at.
    rows: HashMap<Key, i64>,
    more_entries: i64,
    more_bytes: i64,
}

impl<'a> Held<'a> {
    /// Of what [`look`] found.
    pub(super) fn read(quota: &'a Quota, found: &[Outcome]) -> Result<Self> {
        let mut outcomes = found.iter();
        let (entries, bytes) = match outcomes.next().and_then(|outcome| outcome.rows.first()) {
            Some(row) => (row.at(0)?, row.at(1)?),
            None => (0, 0),
        };
        let mut rows = HashMap::new();
        for row in outcomes.flat_map(|outcome| outcome.rows.iter()) {
            rows.insert(Key::trusted(row.at::<Vec<u8>>(0)?), row.at(1)?);
        }
        Ok(Self { quota, entries, bytes, rows, more_entries: 0, more_bytes: 0 })
    }

    /// The commit leaves that value at one of the keys that were looked at; `None`: no row.
    pub(super) fn put(&mut self, key: &Key, value: Option<&Value>) {
        self.takes(key, value.map(|value| signed((key.len() + value.size()) as u64)));
    }

    /// The same, unless that is too much: then nothing changed.
    ///
    /// # Errors
    /// [`Error::Quota`].
    pub(super) fn put_if_it_fits(&mut self, key: &Key, value: &Value) -> Result<()> {
        let old = self.rows.get(key).copied();
        self.put(key, Some(value));
        self.check().inspect_err(|_| self.takes(key, old))
    }

    fn takes(&mut self, key: &Key, new: Option<i64>) {
        let old = match new {
            Some(new) => self.rows.insert(key.clone(), new),
            None => self.rows.remove(key),
        };
        self.more_entries += i64::from(new.is_some()) - i64::from(old.is_some());
        self.more_bytes += new.unwrap_or(0) - old.unwrap_or(0);
    }

    /// # Errors
    /// [`Error::Quota`], if the commit makes it more than it may be.
    pub(super) fn check(&self) -> Result<()> {
        self.quota.check(self.entries, self.more_entries, self.bytes, self.more_bytes)
    }

    /// Keeps the sums.
    pub(super) fn account(&self, ns: i64) -> Statement {
        let sql = "UPDATE kv_namespaces SET entries = entries + ?2, bytes = bytes + ?3 WHERE id = ?1";
        Statement::new(sql, args![ns, self.more_entries, self.more_bytes])
    }
}

/// Takes what was deleted off a namespace's sums; only those with a quota keep them.
pub(super) fn without(ns: i64, entries: i64, bytes: i64) -> Statement {
    let sql = "UPDATE kv_namespaces SET entries = entries - ?2, bytes = bytes - ?3 WHERE id = ?1 \
               AND (max_entries IS NOT NULL OR max_bytes IS NOT NULL)";
    Statement::new(sql, args![ns, entries, bytes])
}

#[derive(Debug)]
struct SetQuota {
    ns: i64,
    quota: Quota,
}

impl Plan for SetQuota {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        if !done.is_empty() {
            return Ok(Next::Commit);
        }
        let (entries, bytes) = (self.quota.entries.map(signed), self.quota.bytes.map(signed));
        let sums = "UPDATE kv_namespaces SET max_entries = ?2, max_bytes = ?3, \
                    entries = (SELECT count(*) FROM kv_entries WHERE ns = ?1), \
                    bytes = (SELECT coalesce(sum(length(key) + length(value)), 0) FROM kv_entries WHERE ns = ?1) WHERE id = ?1";
        // Whoever writes locks the clock first, and learns by its shape that there is a quota to read: so no write goes by
        // uncounted between the count and the change.
        Ok(Next::Run(vec![index::another_shape(), Statement::new(sums, args![self.ns, entries, bytes])]))
    }
}
