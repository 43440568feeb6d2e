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
        Ok(asks(ns, now, &wanted))
    }

    /// The same for who can do without some of what it writes, whatever its own entries would have. In the order of
    /// [`Declared::clashes`], and as many as [`Declared::probed`] says.
    pub(in crate::engine) fn who_has(&self, ns: i64, now: u64, written: &[Written<'_>]) -> Vec<Statement> {
        asks(ns, now, &self.wanted(written))
    }

    /// How many statements [`Declared::who_has`] makes.
    pub(in crate::engine) fn probed(&self, written: &[Written<'_>]) -> usize {
        self.wanted(written).len()
    }

    /// Which of the keys cannot be written without there being the same twice, and why. Of two that want the same the
    /// first may have it, unless an entry has it already, be that one that is written, too.
    ///
    /// # Errors
    /// The database's.
    pub(in crate::engine) fn clashes(&self, written: &[Written<'_>], read: &[Outcome]) -> Result<HashMap<Key, String>> {
        let wanted = self.wanted(written);
        let found: Vec<_> = wanted.iter().zip(read).collect();
        let mut of_key: HashMap<&Key, Vec<usize>> = HashMap::new();
        for (place, ((_, key, _), _)) in found.iter().enumerate() {
            of_key.entry(key).or_default().push(place);
        }
        let (mut own, mut clashes) = (HashMap::<(i64, &[u8]), &Key>::new(), HashMap::new());
        for key in written.iter().map(|one| one.key) {
            let places = of_key.remove(key).unwrap_or_default();
            let theirs = places.into_iter().filter_map(|place| found.get(place));
            let mut clash = None;
            for ((index, _, value), outcome) in theirs.clone() {
                let first = own.get(&(index.id(), value.as_slice())).map(|other| (*other).clone());
                let holders = outcome.rows.iter().map(|row| row.at::<Vec<u8>>(0).map(Key::trusted));
                let holders = holders.collect::<buntime_database::Result<Vec<_>>>()?;
                let other = first.into_iter().chain(holders).find(|other| other != key);
                clash = clash.or(other.map(|other| refusal(index, key, &other).to_string()));
            }
            match clash {
                Some(why) => drop(clashes.insert(key.clone(), why)),
                None => own.extend(theirs.map(|((index, _, value), _)| ((index.id(), value.as_slice()), key))),
            }
        }
        Ok(clashes)
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

fn asks(ns: i64, now: u64, wanted: &[(&Live, &Key, Vec<u8>)]) -> Vec<Statement> {
    let probe = "SELECT s.key FROM kv_sorted s JOIN kv_entries e ON e.ns = ?2 AND e.key = s.key \
                 WHERE s.idx = ?1 AND s.value = ?3 AND (e.expires_at IS NULL OR e.expires_at > ?4)";
    let statement = |(index, _, value): &(&Live, &Key, Vec<u8>)| {
        Statement::new(probe, args![index.id(), ns, value.as_slice(), signed(now)])
    };
    wanted.iter().map(statement).collect()
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
