//! Unique indexes: a commit that would put the same into two entries does not happen.

use std::{collections::HashMap, sync::Arc};

use buntime_database::{Outcome, Statement, args};

use super::{
    IndexKind, Written,
    declared::{Declared, Live},
    sorted,
};
use crate::{Error, Key, Result, engine::row::signed};

impl Declared {
    /// Is there a unique index?
    pub(in crate::engine) fn is_unique(&self) -> bool {
        self.indexes.iter().any(|index| index.is_unique())
    }

    /// What has to be read before a commit may be made: who has what it writes. In the order of [`Declared::taken`].
    ///
    /// # Errors
    /// [`Error::Unique`] if two of its own entries would have the same.
    pub(in crate::engine) fn probes(&self, ns: i64, now: u64, written: &[Written<'_>]) -> Result<Vec<Statement>> {
        let wanted = self.wanted(written);
        let mut own: HashMap<(i64, &[u8]), &Key> = HashMap::new();
        for (index, key, value) in &wanted {
            if let Some(other) = own.insert((index.id(), value), key)
                && other != *key
            {
                return Err(refusal(index, key, other));
            }
        }
        let probe = "SELECT s.key FROM kv_sorted s JOIN kv_entries e ON e.ns = ?2 AND e.key = s.key \
                     WHERE s.idx = ?1 AND s.value = ?3 AND (e.expires_at IS NULL OR e.expires_at > ?4)";
        let statement = |(index, _, value): &(&Live, &Key, Vec<u8>)| {
            Statement::new(probe, args![index.id(), ns, value.as_slice(), signed(now)])
        };
        Ok(wanted.iter().map(statement).collect())
    }

    /// # Errors
    /// [`Error::Unique`] if an entry that the commit leaves alone has what it writes.
    pub(in crate::engine) fn taken(&self, written: &[Written<'_>], read: &[Outcome]) -> Result<()> {
        for ((index, key, _), outcome) in self.wanted(written).iter().zip(read) {
            for row in outcome.rows.iter() {
                let other = Key::trusted(row.at::<Vec<u8>>(0)?);
                if !written.iter().any(|one| *one.key == other) {
                    return Err(refusal(index, key, &other));
                }
            }
        }
        Ok(())
    }

    fn wanted<'a>(&'a self, written: &[Written<'a>]) -> Vec<(&'a Live, &'a Key, Vec<u8>)> {
        let mut all = Vec::new();
        for index in self.indexes.iter().map(Arc::as_ref).filter(|index| index.is_unique()) {
            for one in written.iter().filter(|one| index.has(one.key)) {
                let values = one.value.map(|value| sorted::values(value, &index.fields)).unwrap_or_default();
                all.extend(values.into_iter().map(|value| (index, one.key, value)));
            }
        }
        all
    }
}

impl Live {
    pub(super) fn is_unique(&self) -> bool {
        matches!(self.info.index.kind, IndexKind::Sorted { unique: true, .. })
    }
}

fn refusal(index: &Live, key: &Key, other: &Key) -> Error {
    let called = index.called();
    Error::Unique(format!("The index {called} is unique, and {other:?} has the same as {key:?}").into())
}
