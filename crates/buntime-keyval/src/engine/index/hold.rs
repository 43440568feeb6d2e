//! What a write knows of declarations, and how it learns of newer ones before it relies on them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use buntime_database::{Outcome, Statement, args};

use super::declared::{Declared, of_namespace};
use crate::{Key, Result};

/// What is declared in a namespace as far as this process knows, for one write.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Hold {
    ns: i64,
    known: Arc<Declared>,
    /// Where all who write to the namespace find it.
    cell: Arc<ArcSwap<Declared>>,
}

impl Hold {
    pub(in crate::engine) fn new(ns: i64, cell: &Arc<ArcSwap<Declared>>) -> Self {
        Self { ns, known: cell.load_full(), cell: Arc::clone(cell) }
    }

    /// What was known when the write was prepared.
    pub(in crate::engine) fn known(&self) -> &Declared {
        &self.known
    }

    /// What has to be read before [`Hold::declared`], if anything: what is known is of another shape than the clock's, or
    /// says of an index that it is being built, and only the database knows how far that is.
    ///
    /// # Errors
    /// The database's.
    pub(in crate::engine) fn ask(
        &self,
        clock: &Outcome,
        mut keys: impl Iterator<Item = Key>,
    ) -> Result<Option<Statement>> {
        let shape: i64 = clock.rows.first().map(|row| row.at(1)).transpose()?.unwrap_or(0);
        let stale =
            shape != self.known.shape || (!self.known.indexes.is_empty() && keys.any(|key| self.known.builds(&key)));
        Ok(stale.then(|| Statement::new(of_namespace(), args![self.ns])))
    }

    /// What is declared now, given what was read if that was asked for.
    ///
    /// # Errors
    /// The database's.
    pub(in crate::engine) fn declared(&self, read: Option<&Outcome>) -> Result<Arc<Declared>> {
        match read {
            Some(outcome) => Declared::read(&outcome.rows).map(Arc::new),
            None => Ok(Arc::clone(&self.known)),
        }
    }

    /// Keeps what was read, once that is committed.
    pub(in crate::engine) fn learn(&self, read: Option<&Outcome>) {
        if let Some(Ok(declared)) = read.map(|outcome| Declared::read(&outcome.rows)) {
            keep(&self.cell, declared);
        }
    }
}

/// Keeps it, unless something newer is known. Of the same shape the later is as good: only what is being built differs.
pub(super) fn keep(cell: &ArcSwap<Declared>, declared: Declared) {
    let declared = Arc::new(declared);
    cell.rcu(|known| if known.shape > declared.shape { Arc::clone(known) } else { Arc::clone(&declared) });
}
