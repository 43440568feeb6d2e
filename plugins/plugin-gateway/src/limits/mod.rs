//! Rate limits and quotas.
//!
//! [`algorithm`] is the arithmetic, [`table`] the cells in memory, [`shared`] those in Redis, [`quota`] what the database
//! keeps; [`counted`] is what outlives instances, [`limit`] an entry with its rules, [`hooks`] what asks them.

pub(crate) mod algorithm;
pub(crate) mod counted;
pub(crate) mod headers;
pub(crate) mod hooks;
pub(crate) mod key;
pub(crate) mod limit;
pub(crate) mod quota;
pub(crate) mod shared;
pub(crate) mod table;
pub(crate) mod time;
