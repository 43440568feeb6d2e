//! KeyVal: ordered keys, typed values, atomic commits, watches and queues, compatible with Deno KV.
//!
//! A [`Key`] is a sequence of parts, ordered part by part; a [`Value`] is what V8 serializes, a number of 64 bits, or bytes.
//! An [`Atomic`] write happens whole or not at all, and its [`Versionstamp`] is in the order of commits.
//!
//! With the feature `embedded` (on by default) this is also the store itself: [`Engine`], on any database of
//! `buntime-database`. With `remote` it is a client of a store on another machine: `Remote`.

#![cfg_attr(not(feature = "embedded"), allow(dead_code, reason = "some of it is the engine's alone"))]

mod atomic;
#[cfg(feature = "embedded")]
pub mod engine;
mod error;
#[cfg(feature = "embedded")]
mod fields;
#[cfg(feature = "json")]
pub mod filter;
#[cfg(feature = "json")]
pub mod json;
mod key;
mod limits;
mod message;
pub mod numeric;
mod range;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "embedded")]
mod search;
#[cfg(any(feature = "embedded", feature = "remote"))]
mod store;
pub mod structured;
#[cfg(feature = "typed")]
mod typed;
mod value;
mod versionstamp;
#[cfg(feature = "wire")]
pub mod wire;

pub use atomic::{Apply, Atomic, Change, Check, Committed, Mutation, SumLimits};
#[cfg(feature = "embedded")]
pub use engine::{Engine, Namespace, Options};
pub use error::{Error, Exceeded, Result, What};
pub use key::{Key, Part, SmallPart};
pub use limits::Limits;
pub use message::{DEFAULT_BACKOFF, DEFAULT_QUEUE, Delivery, Failure, MOST_PRIORITY, Message, QueueStats};
pub use range::{Range, Selector, cursor};
#[cfg(feature = "remote")]
pub use remote::{Remote, RemoteOptions, RemoteWatch};
#[cfg(feature = "embedded")]
pub use search::{Snippet, Tokenizer};
#[cfg(any(feature = "embedded", feature = "remote"))]
pub use store::{List, Store};
pub use value::{Entry, States, Value};
pub use versionstamp::Versionstamp;
