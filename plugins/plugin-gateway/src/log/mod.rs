//! The request log: what became of the last requests that the plugin saw, and how many ended how.
//!
//! On the way of a request it costs a few additions to counters of the thread and a copy of some bytes into memory that
//! is there already: nothing is allocated, and threads do not wait for each other. It is done when the answer has been
//! sent. Requests over a limit are kept apart (`desk`), so that a flood of others does not drive them out.

pub(crate) mod hooks;
pub(crate) mod ring;
pub(crate) mod tally;

/// How many requests are remembered, and as many that were over a limit.
pub(crate) const REMEMBERED: usize = 1_000;
