//! The messages of KV Connect's data path (`com.deno.kv.datapath`), versions 1 to 3, and what they mean here.
//!
//! Field numbers are the protocol's (denoland/denokv, `proto/schema/datapath.proto`).

mod ask;
mod found;

pub use self::found::{FoundRange, found};

use prost::{Enumeration, Message as Proto};

pub use self::ask::carries;

use crate::{
    Atomic, Change, Check as KvCheck, Entry, Error, Key, Message, Mutation as KvMutation, Range, Result, SumLimits,
    Value, Versionstamp,
};

/// Versions of the protocol that are spoken, the newest first.
pub const VERSIONS: [u64; 3] = [3, 2, 1];

/// Asks for ranges.
#[derive(Clone, PartialEq, Proto)]
pub struct SnapshotRead {
    /// Which.
    #[prost(message, repeated, tag = "1")]
    pub ranges: Vec<ReadRange>,
}

/// The answer to [`SnapshotRead`].
#[derive(Clone, PartialEq, Proto)]
pub struct SnapshotReadOutput {
    /// In the order of those that were asked for.
    #[prost(message, repeated, tag = "1")]
    pub ranges: Vec<ReadRangeOutput>,
    /// Is there no reading here?
    #[prost(bool, tag = "2")]
    pub read_disabled: bool,
    /// Is it the newest there is?
    #[prost(bool, tag = "4")]
    pub read_is_strongly_consistent: bool,
    /// How it went.
    #[prost(enumeration = "ReadStatus", tag = "8")]
    pub status: i32,
}

/// A range of keys.
#[derive(Clone, PartialEq, Proto)]
pub struct ReadRange {
    /// The first key.
    #[prost(bytes = "vec", tag = "1")]
    pub start: Vec<u8>,
    /// The end, not included. Empty: only the first.
    #[prost(bytes = "vec", tag = "2")]
    pub end: Vec<u8>,
    /// At most so many entries.
    #[prost(int32, tag = "3")]
    pub limit: i32,
    /// From the end?
    #[prost(bool, tag = "4")]
    pub reverse: bool,
}

/// The entries of a range.
#[derive(Clone, PartialEq, Proto)]
pub struct ReadRangeOutput {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<KvEntry>,
}

/// Asks for an atomic write.
#[derive(Clone, PartialEq, Proto)]
pub struct AtomicWrite {
    /// What must hold.
    #[prost(message, repeated, tag = "1")]
    pub checks: Vec<Check>,
    /// What is done.
    #[prost(message, repeated, tag = "2")]
    pub mutations: Vec<Mutation>,
    /// What is put into the queue.
    #[prost(message, repeated, tag = "3")]
    pub enqueues: Vec<Enqueue>,
}

/// The answer to [`AtomicWrite`].
#[derive(Clone, PartialEq, Proto)]
pub struct AtomicWriteOutput {
    /// How it went.
    #[prost(enumeration = "WriteStatus", tag = "1")]
    pub status: i32,
    /// The commit.
    #[prost(bytes = "vec", tag = "2")]
    pub versionstamp: Vec<u8>,
    /// Which checks failed, by their place.
    #[prost(uint32, repeated, tag = "4")]
    pub failed_checks: Vec<u32>,
}

/// A key must be as it was.
#[derive(Clone, PartialEq, Proto)]
pub struct Check {
    /// Which.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// Ten bytes; none: there must be no entry.
    #[prost(bytes = "vec", tag = "2")]
    pub versionstamp: Vec<u8>,
}

/// A change of a key.
#[derive(Clone, PartialEq, Proto)]
pub struct Mutation {
    /// Which.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// With what.
    #[prost(message, optional, tag = "2")]
    pub value: Option<KvValue>,
    /// How.
    #[prost(enumeration = "MutationType", tag = "3")]
    pub mutation_type: i32,
    /// When it ceases to be, in milliseconds since the Unix epoch; 0: never.
    #[prost(int64, tag = "4")]
    pub expire_at_ms: i64,
    /// The least that a sum may become, as V8 serializes it.
    #[prost(bytes = "vec", tag = "5")]
    pub sum_min: Vec<u8>,
    /// The most.
    #[prost(bytes = "vec", tag = "6")]
    pub sum_max: Vec<u8>,
    /// Is a sum outside of them the limit?
    #[prost(bool, tag = "7")]
    pub sum_clamp: bool,
}

/// A value.
#[derive(Clone, PartialEq, Proto)]
pub struct KvValue {
    /// Its bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
    /// Their encoding, as [`Value::encoding`] numbers it.
    #[prost(int32, tag = "2")]
    pub encoding: i32,
}

/// An entry.
#[derive(Clone, PartialEq, Proto)]
pub struct KvEntry {
    /// Where.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// What.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
    /// Its encoding.
    #[prost(int32, tag = "3")]
    pub encoding: i32,
    /// The commit that wrote it.
    #[prost(bytes = "vec", tag = "4")]
    pub versionstamp: Vec<u8>,
}

/// A message for the queue.
#[derive(Clone, PartialEq, Proto)]
pub struct Enqueue {
    /// As V8 serializes it.
    #[prost(bytes = "vec", tag = "1")]
    pub payload: Vec<u8>,
    /// When it may be delivered, in milliseconds since the Unix epoch.
    #[prost(int64, tag = "2")]
    pub deadline_ms: i64,
    /// Where it is set if it is not delivered.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub keys_if_undelivered: Vec<Vec<u8>>,
    /// Milliseconds before each further try.
    #[prost(uint32, repeated, tag = "4")]
    pub backoff_schedule: Vec<u32>,
}

/// Asks to be told of keys.
#[derive(Clone, PartialEq, Proto)]
pub struct Watch {
    /// Which.
    #[prost(message, repeated, tag = "1")]
    pub keys: Vec<WatchKey>,
}

/// One of them.
#[derive(Clone, PartialEq, Proto)]
pub struct WatchKey {
    /// The key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
}

/// How the keys are.
#[derive(Clone, PartialEq, Proto)]
pub struct WatchOutput {
    /// How it went.
    #[prost(enumeration = "ReadStatus", tag = "1")]
    pub status: i32,
    /// In the order of those that were asked for.
    #[prost(message, repeated, tag = "2")]
    pub keys: Vec<WatchKeyOutput>,
}

/// How a key is.
#[derive(Clone, PartialEq, Proto)]
pub struct WatchKeyOutput {
    /// Did it change since it was told last?
    #[prost(bool, tag = "1")]
    pub changed: bool,
    /// What it is now, if it did and there is an entry.
    #[prost(message, optional, tag = "2")]
    pub entry_if_changed: Option<KvEntry>,
}

/// How a read went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum ReadStatus {
    /// Not said.
    Unspecified = 0,
    /// Well.
    Success = 1,
    /// There is no reading here.
    Disabled = 2,
}

/// How a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum WriteStatus {
    /// Not said.
    Unspecified = 0,
    /// It happened.
    Success = 1,
    /// A check failed.
    CheckFailure = 2,
    /// There is no writing here.
    Disabled = 5,
}

/// What a mutation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum MutationType {
    /// Not said.
    Unspecified = 0,
    /// Sets.
    Set = 1,
    /// Deletes.
    Delete = 2,
    /// Adds.
    Sum = 3,
    /// Raises.
    Max = 4,
    /// Lowers.
    Min = 5,
    /// Sets a key that ends with the commit.
    SetSuffixVersionstampedKey = 9,
}

impl TryFrom<ReadRange> for Range {
    type Error = Error;

    fn try_from(range: ReadRange) -> Result<Self> {
        let limit = u32::try_from(range.limit).ok().filter(|limit| *limit > 0);
        let limit = limit.ok_or(Error::InvalidRange("The limit of a range must be positive".into()))?;
        if range.end.is_empty() {
            return Ok(Self { limit, ..Self::of_key(&Key::from_bytes(range.start)?) });
        }
        if range.start > range.end {
            return Err(Error::InvalidRange("Start key is greater than end key".into()));
        }
        Ok(Self { start: range.start.into(), end: range.end.into(), limit, reverse: range.reverse })
    }
}

impl From<Entry> for KvEntry {
    fn from(entry: Entry) -> Self {
        Self {
            key: entry.key.as_bytes().to_vec(),
            value: entry.value.to_data(),
            encoding: encoding(&entry.value),
            versionstamp: entry.versionstamp.as_bytes().to_vec(),
        }
    }
}

fn encoding(value: &Value) -> i32 {
    // One of three.
    i32::try_from(value.encoding()).unwrap_or(0)
}

impl From<Value> for KvValue {
    fn from(value: Value) -> Self {
        Self { data: value.to_data(), encoding: encoding(&value) }
    }
}

impl TryFrom<KvEntry> for Entry {
    type Error = Error;

    fn try_from(entry: KvEntry) -> Result<Self> {
        let versionstamp = entry.versionstamp.try_into().map_err(|_| Error::InvalidVersionstamp)?;
        Ok(Self {
            key: Key::from_bytes(entry.key)?,
            value: Value::from_parts(entry.encoding.into(), entry.value)?,
            versionstamp: Versionstamp::from_bytes(versionstamp),
            expires_at: None,
        })
    }
}

impl TryFrom<AtomicWrite> for Atomic {
    type Error = Error;

    fn try_from(write: AtomicWrite) -> Result<Self> {
        Ok(Self {
            checks: write.checks.into_iter().map(KvCheck::try_from).collect::<Result<_>>()?,
            mutations: write.mutations.into_iter().map(KvMutation::try_from).collect::<Result<_>>()?,
            messages: write.enqueues.into_iter().map(Message::try_from).collect::<Result<_>>()?,
        })
    }
}

impl TryFrom<Check> for KvCheck {
    type Error = Error;

    fn try_from(check: Check) -> Result<Self> {
        let versionstamp = match check.versionstamp.as_slice() {
            [] => None,
            stamp => Some(Versionstamp::from_bytes(stamp.try_into().map_err(|_| Error::InvalidVersionstamp)?)),
        };
        Ok(Self { key: Key::from_bytes(check.key)?, versionstamp })
    }
}

impl TryFrom<Mutation> for KvMutation {
    type Error = Error;

    fn try_from(mutation: Mutation) -> Result<Self> {
        let kind = mutation.mutation_type();
        let (sum_min, sum_max) = (mutation.sum_min, mutation.sum_max);
        let value = match mutation.value {
            Some(value) => Some(Value::from_parts(value.encoding.into(), value.data)?),
            None => None,
        };
        let operand = || value.ok_or(Error::InvalidValue("the mutation has no value".into()));
        let change = match kind {
            MutationType::Set => Change::Set(operand()?),
            MutationType::Delete => Change::Delete,
            MutationType::Sum => {
                let limit = |bytes: Vec<u8>| (!bytes.is_empty()).then(|| Value::V8(bytes.into()));
                let limits = SumLimits { least: limit(sum_min), most: limit(sum_max), clamp: mutation.sum_clamp };
                Change::Sum(operand()?, limits)
            }
            MutationType::Max => Change::Max(operand()?),
            MutationType::Min => Change::Min(operand()?),
            MutationType::SetSuffixVersionstampedKey => Change::SetVersionstamped(operand()?),
            MutationType::Unspecified => return Err(Error::Invalid("The mutation is of an unknown type".into())),
        };
        let expires_at = match mutation.expire_at_ms {
            0 => None,
            // Long ago: it is over.
            at => Some(u64::try_from(at).unwrap_or(0)),
        };
        Ok(Self { key: Key::from_bytes(mutation.key)?, change, expires_at })
    }
}

impl TryFrom<Enqueue> for Message {
    type Error = Error;

    fn try_from(enqueue: Enqueue) -> Result<Self> {
        Ok(Self {
            ready_at: u64::try_from(enqueue.deadline_ms).unwrap_or(0),
            backoff: enqueue.backoff_schedule,
            keys_if_undelivered: enqueue.keys_if_undelivered.into_iter().map(Key::from_bytes).collect::<Result<_>>()?,
            ..Self::new(Value::V8(enqueue.payload.into()))
        })
    }
}
