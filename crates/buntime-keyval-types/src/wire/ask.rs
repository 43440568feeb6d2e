//! What a client asks, as messages.

use super::{AtomicWrite, Check, Enqueue, KvValue, Mutation, MutationType, ReadRange};
use crate::{Atomic, Change, Check as KvCheck, Error, Message, Mutation as KvMutation, Range, Result, Value};

impl From<&Range> for ReadRange {
    fn from(range: &Range) -> Self {
        Self {
            start: range.start.to_vec(),
            end: range.end.to_vec(),
            limit: i32::try_from(range.limit).unwrap_or(i32::MAX),
            reverse: range.reverse,
        }
    }
}

impl TryFrom<&Atomic> for AtomicWrite {
    type Error = Error;

    /// Fails for what KV Connect has no words for: functions, named queues, priorities, deduplication.
    fn try_from(write: &Atomic) -> Result<Self> {
        Ok(Self {
            checks: write.checks.iter().map(Check::from).collect(),
            mutations: write.mutations.iter().map(Mutation::try_from).collect::<Result<_>>()?,
            enqueues: write.messages.iter().map(Enqueue::try_from).collect::<Result<_>>()?,
        })
    }
}

impl From<&KvCheck> for Check {
    fn from(check: &KvCheck) -> Self {
        let versionstamp = check.versionstamp.map(|stamp| stamp.as_bytes().to_vec());
        Self { key: check.key.as_bytes().to_vec(), versionstamp: versionstamp.unwrap_or_default() }
    }
}

impl TryFrom<&KvMutation> for Mutation {
    type Error = Error;

    fn try_from(mutation: &KvMutation) -> Result<Self> {
        let kind = match &mutation.change {
            Change::Set(_) => MutationType::Set,
            Change::SetVersionstamped(_) => MutationType::SetSuffixVersionstampedKey,
            Change::Delete => MutationType::Delete,
            Change::Sum(..) => MutationType::Sum,
            Change::Min(_) => MutationType::Min,
            Change::Max(_) => MutationType::Max,
            Change::Apply(_) => return Err(Change::stays_here()),
        };
        let limits = match &mutation.change {
            Change::Sum(_, limits) => limits.clone(),
            _ => crate::SumLimits::default(),
        };
        let bytes = |limit: Option<Value>| limit.map(|limit| limit.to_data()).unwrap_or_default();
        // Zero means never; the first millisecond of all is over as well.
        let expires = mutation.expires_at.map(|at| i64::try_from(at.max(1)).unwrap_or(i64::MAX));
        Ok(Self {
            key: mutation.key.as_bytes().to_vec(),
            value: mutation.change.operand().cloned().map(KvValue::from),
            mutation_type: kind.into(),
            expire_at_ms: expires.unwrap_or(0),
            sum_min: bytes(limits.least),
            sum_max: bytes(limits.most),
            sum_clamp: limits.clamp,
        })
    }
}

/// Has KV Connect words for that message?
pub fn carries(message: &Message) -> bool {
    matches!(message.payload, Value::V8(_)) && is_plain(message)
}

fn is_plain(message: &Message) -> bool {
    message.queue == crate::DEFAULT_QUEUE && message.priority == 0 && message.dedup.is_none()
}

impl TryFrom<&Message> for Enqueue {
    type Error = Error;

    fn try_from(message: &Message) -> Result<Self> {
        let Value::V8(payload) = &message.payload else {
            return Err(Error::Invalid("KV Connect takes messages as V8 serializes values".into()));
        };
        if !is_plain(message) {
            let what = "KV Connect has one queue, without priorities or deduplication keys";
            return Err(Error::Invalid(what.into()));
        }
        Ok(Self {
            payload: payload.to_vec(),
            deadline_ms: i64::try_from(message.ready_at).unwrap_or(i64::MAX),
            keys_if_undelivered: message.keys_if_undelivered.iter().map(|key| key.as_bytes().to_vec()).collect(),
            backoff_schedule: message.backoff.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SumLimits, Versionstamp, key, numeric::Numeric};

    #[test]
    fn what_is_asked_is_what_is_read() {
        let number = |n| Numeric::Number(n).to_value();
        let limits = SumLimits { least: Some(number(-1.0)), most: Some(number(9.5)), clamp: true };
        let write = Atomic::new()
            .check(key!["a"], None)
            .check(key!["b", 1], Some(Versionstamp::new(7)))
            .set_until(key!["c"], Value::Bytes([1].as_slice().into()), 5)
            .delete(key!["d"])
            .mutate(key!["e"], Change::Sum(number(2.0), limits))
            .sum(key!["f"], 1)
            .min(key!["g"], 2)
            .max(key!["h"], 3)
            .mutate(key!["i"], Change::SetVersionstamped(Value::U64(4)))
            .enqueue(Message { backoff: vec![5], keys_if_undelivered: vec![key!["u"]], ..Message::new(number(1.0)) });
        let read = Atomic::try_from(AtomicWrite::try_from(&write).unwrap()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{write:?}"));
        let named = Atomic::new().enqueue(Message::new(number(1.0)).to("other"));
        assert!(AtomicWrite::try_from(&named).is_err() && !carries(&named.messages[0]) && carries(&write.messages[0]));
        let range = Range { limit: 7, reverse: true, ..Range::of_key(&key!["a"]) };
        assert_eq!(Range::try_from(ReadRange::from(&range)).unwrap(), range);
    }
}
