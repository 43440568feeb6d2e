//! What was read, as bytes: the message [`SnapshotReadOutput`](super::SnapshotReadOutput) without making it first, which
//! would copy every key and value twice.

use prost::{
    bytes::BufMut,
    encoding::{encode_varint, encoded_len_varint},
};

use super::{ReadStatus, encoding};
use crate::{Entry, Value};

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

const fn tag(field: u8, kind: u8) -> u8 {
    field << 3 | kind
}

/// The answer to a snapshot read that went well: what each range has, the newest there is.
pub fn found(ranges: &[Vec<Entry>]) -> Vec<u8> {
    let lengths: Vec<usize> =
        ranges.iter().map(|entries| entries.iter().map(|of| field(entry_len(of))).sum()).collect();
    let mut out = Vec::with_capacity(lengths.iter().map(|length| field(*length)).sum::<usize>() + 4);
    for (entries, length) in ranges.iter().zip(lengths) {
        head(RANGE, length, &mut out);
        for entry in entries {
            head(ENTRY, entry_len(entry), &mut out);
            put_entry(entry, &mut out);
        }
    }
    out.extend([STRONGLY_CONSISTENT, 1, STATUS, ReadStatus::Success as u8]);
    out
}

/// The length of a field of that length, with its head.
fn field(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

fn head(tag: u8, length: usize, out: &mut Vec<u8>) {
    out.push(tag);
    encode_varint(length as u64, out);
}

fn entry_len(entry: &Entry) -> usize {
    // An encoding is 1, 2 or 3.
    field(entry.key.len()) + field(entry.value.size()) + 2 + field(entry.versionstamp.as_bytes().len())
}

fn put_entry(entry: &Entry, out: &mut Vec<u8>) {
    head(KEY, entry.key.len(), out);
    out.put_slice(entry.key.as_bytes());
    head(VALUE, entry.value.size(), out);
    match &entry.value {
        Value::V8(data) | Value::Bytes(data) => out.put_slice(data),
        Value::U64(number) => out.put_u64_le(*number),
    }
    out.push(ENCODING);
    encode_varint(u64::from(encoding(&entry.value).unsigned_abs()), out);
    head(VERSIONSTAMP, entry.versionstamp.as_bytes().len(), out);
    out.put_slice(entry.versionstamp.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::{
        Key, Versionstamp,
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
        fn is_what_the_message_would_be(ranges in prop::collection::vec(prop::collection::vec(any_entry(), 0..5), 0..5)) {
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
            prop_assert_eq!(SnapshotReadOutput::decode(&*found(&ranges)), Ok(output));
        }
    }
}
