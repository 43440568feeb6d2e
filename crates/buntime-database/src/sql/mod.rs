//! As much of SQL as an adapter must know of a statement before a server sees it: where its words, literals and
//! parameters are, how many statements there are, and what kind of thing the statement is.
//!
//! This is a lexer, not a parser: what a statement means is the engine's affair, and so are most mistakes in it.

mod lexer;
mod numbered;
mod verb;

#[cfg(feature = "postgres")]
pub(crate) use lexer::unquoted;
pub(crate) use lexer::{Dialect, Kind, Token, tokens};
pub use numbered::{Numbered, numbered};
pub use verb::leaves_nothing;
#[cfg(feature = "libsql")]
pub(crate) use verb::returns_rows;
pub(crate) use verb::{Class, begins_read_only, classify, first_word, split};
