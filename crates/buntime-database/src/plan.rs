//! Transactions whose later statements depend on what earlier ones returned, without a caller that holds a lock while
//! it thinks: what is to be decided goes to the database, and is decided there.

use std::fmt;

use crate::{Outcome, Result, Statement};

/// A transaction in steps. A function of what its statements returned so far, and of nothing else but the moment in which
/// it was asked from the start: it may be so again, since an adapter may have to run a transaction twice.
///
/// It is called while the database is locked, so it computes and does not wait.
pub trait Plan: Send + Sync + fmt::Debug + 'static {
    /// What is next, given the outcomes of all statements so far, in order; at first there are none.
    ///
    /// # Errors
    /// Undoes everything; whoever asked for the plan is told.
    fn next(&self, done: &[Outcome]) -> Result<Next>;

    /// It is committed and durable. Called once, before whoever asked for the plan is told, and also when they are gone;
    /// by an adapter in this process in the order of commits. Default: nothing.
    fn committed(&self, done: &[Outcome]) {
        let _ = done;
    }
}

/// The next step of a [`Plan`].
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Run these, in order. The first that fails undoes everything.
    Run(Vec<Statement>),
    /// Run these, in order, and keep what was done: it is decided. The first that fails undoes everything; since none is
    /// expected to fail, an adapter may have to run others' plans again then.
    Finish(Vec<Statement>),
    /// Keep what was done.
    Commit,
    /// Undo what was done. No error.
    Abandon,
}

/// How a [`Plan`] ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// Was it kept?
    pub committed: bool,
    /// What each statement returned.
    pub outcomes: Vec<Outcome>,
}
