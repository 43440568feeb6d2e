//! What KeyVal speaks of: keys, values, versionstamps, atomic writes, filters and indexes, their limits and errors.
//!
//! A [`Key`] is a sequence of parts, ordered part by part; a [`Value`] is what V8 serializes, a number of 64 bits, or bytes.
//! An [`Atomic`] write happens whole or not at all, and its [`Versionstamp`] is in the order of commits.
//!
//! Opens nothing and keeps nothing: the stores are in `buntime-keyval`, which has all of this too.

mod atomic;
mod error;
mod exceeded;
#[cfg(feature = "json")]
pub mod filter;
mod index;
#[cfg(feature = "json")]
pub mod json;
mod key;
mod limits;
mod message;
pub mod numeric;
mod path;
mod range;
#[cfg(feature = "json")]
pub mod rest;
mod search;
pub mod structured;
mod tree;
#[cfg(feature = "typed")]
mod typed;
mod value;
mod versionstamp;
#[cfg(feature = "wire")]
pub mod wire;

pub use atomic::{Apply, Atomic, Change, Check, Committed, Mutation, SumLimits};
pub use error::{Error, Result};
pub use exceeded::{Exceeded, What};
pub use index::{ByIndex, Edge, Index, IndexInfo, IndexKind, IndexState, Page};
pub use key::{Key, Part, SmallPart};
pub use limits::{Limits, within};
pub use message::{DEFAULT_BACKOFF, DEFAULT_QUEUE, DeadLetter, Delivery, Failure, MOST_PRIORITY, Message, QueueStats};
pub use path::Path;
pub use range::{Range, Selector, cursor};
pub use search::{Hit, Hits, Search, Snippet, Tokenizer};
pub use value::{Below, Entry, EntryRef, States, Value, ValueRef};
pub use versionstamp::Versionstamp;
