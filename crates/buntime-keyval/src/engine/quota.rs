//! How much a namespace may hold.

use std::sync::Arc;

use buntime_database::{Next, Outcome, Plan, Statement, args};

use super::{Namespace, row::signed, row::unsigned};
use crate::{Error, Result};

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
    pub(super) fn check(&self, entries: i64, more_entries: i64, bytes: i64, more_bytes: i64) -> Result<()> {
        let exceeds = |most: Option<u64>, now: i64, more: i64| {
            most.is_some_and(|most| more > 0 && unsigned(now.saturating_add(more)) > most)
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
    /// Limits what it may hold; what is there already stays. From now on its sums are kept; they are counted once.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_quota(&self, quota: Quota) -> Result<()> {
        // First, so that no write goes by uncounted between the count and the change.
        let plan = Arc::new(SetQuota { ns: self.id, quota: quota.clone() });
        let set = (quota != Quota::default()).then(|| Arc::new(quota));
        self.quota.store(set);
        self.engine.database.planned(plan).await?;
        Ok(())
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
        Ok(Next::Run(vec![Statement::new(sums, args![self.ns, entries, bytes])]))
    }
}
