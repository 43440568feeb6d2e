//! What was read, as bytes: the message [`SnapshotReadOutput`](super::SnapshotReadOutput) without making it first, which
//! would copy every key and value twice.

use prost::{
    bytes::Bytes,
    encoding::{encode_varint, encoded_len_varint},
};

use super::ReadStatus;
use crate::{Entry, EntryRef, ValueRef};

/// Tags of fields, with what follows them.
const LENGTH_DELIMITED: u8 = 2;
const RANGE: u8 = tag(1, LENGTH_DELIMITED);
const ENTRY: u8 = tag(1, LENGTH_DELIMITED);
const KEY: u8 = tag(1, LENGTH_DELIMITED);
const VALUE: u8 = tag(2, LENGTH_DELIMITED);
const ENCODING: u8 = tag(3, 0);
const VERSIONSTAMP: u8 = tag(4, LENGTH_DELIMITED);
const STRONGLY_CONSISTENT: u8 = tag(4, 0);
const STATUS: u8 = tag(8, 0);

/// Behind the ranges: it went well, and is the newest there is.
const WELL: [u8; 4] = [STRONGLY_CONSISTENT, 1, STATUS, ReadStatus::Success as u8];

const fn tag(field: u8, kind: u8) -> u8 {
    field << 3 | kind
}

/// Room for what stands before a range: a tag and a length.
const GAP: usize = 11;

/// The answer to a snapshot read that went well: what each range has, the newest there is.
pub fn found(ranges: &[Vec<Entry>]) -> Bytes {
    let mut out = Vec::new();
    for entries in ranges {
        let mut range = FoundRange::new();
        entries.iter().for_each(|entry| range.push(entry.into()));
        out.extend_from_slice(range.headed());
    }
    out.extend(WELL);
    out.into()
}

/// What one range has, written entry by entry.
#[derive(Debug)]
pub struct FoundRange(Vec<u8>);

impl Default for FoundRange {
    fn default() -> Self {
        Self::new()
    }
}

impl FoundRange {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::with_room(512)
    }

    /// Nothing yet, with room for so many bytes.
    pub fn with_room(bytes: usize) -> Self {
        let mut found = Vec::with_capacity(bytes);
        found.resize(GAP, 0);
        Self(found)
    }

    /// One more.
    pub fn push(&mut self, entry: EntryRef<'_>) {
        let EntryRef { key, value, versionstamp } = entry;
        let (number, data) = match &value {
            ValueRef::V8(data) => (1, *data),
            ValueRef::U64(number) => (2, number.as_slice()),
            ValueRef::Bytes(data) => (3, *data),
        };
        let out = &mut self.0;
        // An encoding takes two bytes with its tag.
        head(ENTRY, field(key.len()) + field(data.len()) + 2 + field(versionstamp.as_bytes().len()), out);
        head(KEY, key.len(), out);
        out.extend_from_slice(key);
        head(VALUE, data.len(), out);
        out.extend_from_slice(data);
        out.extend([ENCODING, number]);
        head(VERSIONSTAMP, versionstamp.as_bytes().len(), out);
        out.extend_from_slice(versionstamp.as_bytes());
    }

    /// Forgets what it has.
    pub fn clear(&mut self) {
        self.0.truncate(GAP);
    }

    /// The answer to a snapshot read that asked for this range alone.
    pub fn answer(mut self) -> Bytes {
        let start = GAP - self.headed().len().saturating_sub(self.0.len() - GAP);
        self.0.extend(WELL);
        Bytes::from(self.0).slice(start..)
    }

    /// With its tag and length, which are put into the gap.
    fn headed(&mut self) -> &[u8] {
        let length = self.0.len() - GAP;
        let mut before = Vec::with_capacity(GAP);
        head(RANGE, length, &mut before);
        let start = GAP - before.len();
        self.0[start..GAP].copy_from_slice(&before);
        &self.0[start..]
    }
}

/// The length of a field of that length, with its head.
fn field(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

fn head(tag: u8, length: usize, out: &mut Vec<u8>) {
    out.push(tag);
    encode_varint(length as u64, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::{
        Key, Value, Versionstamp,
        wire::{KvEntry, ReadRangeOutput, SnapshotReadOutput},
    };

    fn any_entry() -> impl Strategy<Value = Entry> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..300);
        let value = prop_oneof![
            bytes().prop_map(|data| Value::V8(data.into())),
            bytes().prop_map(|data| Value::Bytes(data.into())),
            any::<u64>().prop_map(Value::U64),
        ];
        (bytes(), value, any::<u64>()).prop_map(|(key, value, version)| Entry {
            key: Key::trusted(key),
            value,
            versionstamp: Versionstamp::new(version),
            expires_at: None,
        })
    }

    proptest! {
        #[test]
        fn is_what_the_message_would_be(ranges in prop::collection::vec(prop::collection::vec(any_entry(), 0..5), 0..4)) {
            let output = SnapshotReadOutput {
                ranges: ranges
                    .iter()
                    .map(|entries| ReadRangeOutput { values: entries.iter().cloned().map(KvEntry::from).collect() })
                    .collect(),
                read_disabled: false,
                read_is_strongly_consistent: true,
                status: ReadStatus::Success.into(),
            };
            // An empty key or value is left out by prost, which reads alike.
            prop_assert_eq!(SnapshotReadOutput::decode(found(&ranges)), Ok(output));
            if let [entries] = &*ranges {
                let mut range = FoundRange::new();
                range.push(EntryRef { key: b"void", value: ValueRef::Bytes(b""), versionstamp: Versionstamp::new(1) });
                range.clear();
                entries.iter().for_each(|entry| range.push(entry.into()));
                prop_assert_eq!(range.answer(), found(&ranges));
            }
        }
    }
}
