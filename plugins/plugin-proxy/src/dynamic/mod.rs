//! Rules that are added while the program runs: kept in a database, shared by the nodes that use it.
//!
//! One number in the database counts the changes. Each change is made on top of the number it was thought out for, so
//! that of two nodes that change something at the same time one is told to look again; and nodes tell by that number
//! that another has changed something. What is kept and cannot be used here is kept all the same, and shown with what is
//! wrong.

mod book;
mod edit;
mod failure;
mod follow;
mod store;

use std::sync::Arc;

pub(crate) use book::{Book, Expected, Options};
pub(crate) use edit::{Order, Switch, object, parse};
pub(crate) use failure::Failure;

use crate::table::Entry;

/// How many there may be, unless the settings say otherwise.
pub(crate) const MOST: u32 = 10_000;
/// Bytes of one rule as JSON.
pub(crate) const LARGEST: usize = 32 << 10;

/// A rule of the database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dynamic {
    pub(crate) id: Arc<str>,
    /// Grows in the order in which rules are tried; with gaps.
    pub(crate) position: i64,
    pub(crate) enabled: bool,
    /// Of the change that made it what it is; another place in the order is none.
    pub(crate) version: i64,
    /// The rule, or why this program cannot read it.
    pub(crate) rule: Result<Arc<Entry>, Arc<str>>,
}
