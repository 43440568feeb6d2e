//! KeyVal: ordered keys, typed values, atomic commits, watches and queues, compatible with Deno KV.
//!
//! A [`Key`] is a sequence of parts, ordered part by part; a [`Value`] is what V8 serializes, a number of 64 bits, or bytes.
//! An [`Atomic`] write happens whole or not at all, and its [`Versionstamp`] is in the order of commits.
//!
//! What it speaks of is a crate of its own, `buntime-keyval-types`, and is here under the same names.
//!
//! With the feature `embedded` (on by default) this is also the store itself: [`Engine`], on any database of
//! `buntime-database`. With `remote` it is a client of a store on another machine: `Remote`.

/// What the page shows works.
#[cfg(all(doctest, feature = "embedded", feature = "remote"))]
#[doc = include_str!("../README.md")]
struct Documented;

#[cfg(feature = "embedded")]
pub mod engine;
#[cfg(feature = "embedded")]
mod fields;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "embedded")]
mod search;
#[cfg(any(feature = "embedded", feature = "remote"))]
mod store;

#[cfg(feature = "wire")]
pub use buntime_keyval_types::wire;
#[cfg(any(feature = "embedded", feature = "remote"))]
use buntime_keyval_types::within;
pub use buntime_keyval_types::{
    Apply, Atomic, Below, ByIndex, Change, Check, Committed, DEFAULT_BACKOFF, DEFAULT_QUEUE, DeadLetter, Delivery,
    Edge, Entry, EntryRef, Error, Exceeded, Failure, Hit, Hits, Index, IndexInfo, IndexKind, IndexState, Key, Limits,
    MOST_PRIORITY, Message, Mutation, Page, Part, Path, QueueStats, Range, Result, Search, Selector, SmallPart,
    Snippet, States, SumLimits, Tokenizer, Value, ValueRef, Versionstamp, What, cursor, key, numeric, structured,
};
#[cfg(feature = "json")]
pub use buntime_keyval_types::{filter, json, rest};
#[cfg(feature = "embedded")]
pub use engine::{Engine, Namespace, Options};
#[cfg(feature = "remote")]
pub use remote::{Remote, RemoteChanges, RemoteOptions, RemoteWatch};
#[cfg(any(feature = "embedded", feature = "remote"))]
pub use store::{List, Store};
