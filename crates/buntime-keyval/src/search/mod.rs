//! Search: texts into terms, queries, and what they find. Knows nothing of a database.

pub(crate) mod document;
mod porter;
pub(crate) mod query;
pub(crate) mod rank;
pub(crate) mod snippet;
mod tokenize;
