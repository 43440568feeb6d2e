//! Indexes: what is declared on a prefix, kept in the transaction of every write.
//!
//! A declaration is a row of `kv_indexes`. Each namespace keeps what it knows of its own, with the `shape` of the clock
//! from which that is; every write learns the shape as it takes its version, and reads the declarations anew where it is
//! another ([`hold`]). So what nobody declared costs nothing, and what another node declares is honoured by the next write.
//!
//! All three kinds are ordinary tables, the same on every adapter, and are kept without looking at what an entry was
//! before: what a key had is deleted by the key, and what it has now is put there ([`maintain`]). Whoever writes to
//! `kv_entries` by another way than [`crate::Atomic`] tells [`Declared`] of the keys, in the same transaction.
//!
//! What they promise is in `INDEXES.md` beside this crate.

mod backfill;
mod count;
mod declare;
mod declared;
mod find;
mod hold;
mod maintain;
#[cfg(test)]
mod plans;
mod sorted;
mod unique;

pub(super) use self::{
    backfill::Builders,
    declare::another_shape,
    declared::{Declared, of_namespace, of_namespaces},
    hold::Hold,
    maintain::{Documents, Written},
};
pub use crate::{ByIndex, Edge, Hit, Hits, Index, IndexInfo, IndexKind, IndexState, Page, Search};

/// What the page shows works.
#[cfg(doctest)]
#[doc = include_str!("../../../INDEXES.md")]
struct Documented;
