//! What every fuzz target does with its bytes. The tests of the crate do the same with bytes of their own, so that the
//! targets cannot rot (`tests/fuzz.rs`).

use buntime_keyval::{
    Atomic, Key, Range, Selector, Value,
    filter::Filter,
    json::{key_from_json, key_from_path, key_to_json, key_to_path, value_from_json, value_from_text, value_to_json},
    rest::{self, ValueJson},
    structured::Structured,
    wire::{self, AtomicWrite, SnapshotRead, Watch, WatchOutput},
};
use prost::Message;

/// What is a key is the only encoding of its parts, and keys are in the order of their parts.
pub(crate) fn keys(data: &[u8]) {
    let (a, b) = data.split_at(data.len() / 2);
    let keys: Vec<Key> = [a, b, data].into_iter().filter_map(|bytes| Key::from_bytes(bytes).ok()).collect();
    for key in &keys {
        let parts = key.parts();
        assert_eq!(Key::new(&parts).as_ref(), Ok(key));
        for other in &keys {
            assert_eq!(key.cmp(other), parts.cmp(&other.parts()));
            let below = other.is_below(key);
            assert_eq!(below, other.parts().len() > parts.len() && other.parts().starts_with(&parts));
            let (first, last) = Selector::prefix(key.clone()).bounds().expect("a prefix has bounds");
            assert_eq!(below, (first.as_slice()..last.as_slice()).contains(&other.as_bytes()));
        }
        assert_eq!(key_from_json(&key_to_json(key)).as_ref(), Ok(key));
        if !key.is_empty() {
            assert_eq!(key_from_path(&key_to_path(key)).as_ref(), Ok(key));
        }
    }
}

/// What is read of a message is what is written of it.
pub(crate) fn protobuf(data: &[u8]) {
    if let Ok(write) = AtomicWrite::decode(data)
        && let Ok(write) = Atomic::try_from(write)
        && let Ok(again) = AtomicWrite::try_from(&write)
    {
        assert_eq!(format!("{:?}", Atomic::try_from(again)), format!("Ok({write:?})"));
    }
    if let Ok(read) = SnapshotRead::decode(data) {
        for range in read.ranges.into_iter().filter_map(|range| Range::try_from(range).ok()) {
            assert_eq!(Range::try_from(wire::ReadRange::from(&range)), Ok(range));
        }
    }
    if let Ok(watch) = Watch::decode(data) {
        watch.keys.into_iter().for_each(|key| drop(Key::from_bytes(key.key)));
    }
    if let Ok(told) = WatchOutput::decode(data) {
        let entries = told.keys.into_iter().filter_map(|key| key.entry_if_changed);
        entries.for_each(|entry| drop(buntime_keyval::Entry::try_from(entry)));
    }
}

/// What V8 serialized is read or refused, and what is read comes back; whatever it is, it is shown as its tree is.
pub(crate) fn structured(data: &[u8]) {
    let value = Value::V8(data.into());
    let shown = serde_json::to_string(&ValueJson(&value)).expect("nothing of it can fail");
    assert_eq!(shown, rest::value_to_json(&value).to_string());
    let Ok(read) = Structured::decode(data) else { return };
    // NaN is not equal to itself, so the text.
    assert_eq!(format!("{:?}", Structured::decode(&read.encode())), format!("Ok({read:?})"));
    if let Ok(json) = value_to_json(&value) {
        assert_same(&value_from_json(&json, None).expect("it was printed"), &value);
    }
    // It does not matter what it is, but that it ends.
    drop(value.to::<serde_json::Value>());
}

/// Of two values that are the same, but for the width of numbers.
fn assert_same(a: &Value, b: &Value) {
    let text = |value: &Value| match value {
        Value::V8(data) => format!("{:?}", Structured::decode(data)),
        other => format!("{other:?}"),
    };
    assert_eq!(text(a), text(b));
}

/// Values and keys as JSON, and keys as paths.
pub(crate) fn json(data: &[u8]) {
    if let Ok(path) = std::str::from_utf8(data)
        && let Ok(key) = key_from_path(path)
    {
        assert_eq!(key_from_path(&key_to_path(&key)), Ok(key));
    }
    let at_once = value_from_text(data);
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(data) else {
        assert_eq!(at_once, None);
        return;
    };
    if at_once.is_some() {
        assert_eq!(at_once, value_from_json(&json, Some(1)).ok());
    }
    if let Ok(key) = key_from_json(&json) {
        assert_eq!(key_from_json(&key_to_json(&key)), Ok(key));
    }
    if let Ok(value) = value_from_json(&json, Some(1)) {
        let printed = value_to_json(&value).expect("it was read");
        assert_same(&value_from_json(&printed, None).expect("it was printed"), &value);
    }
}

/// A filter, then a value in JSON behind a line's end: a filter that is read says yes or no.
pub(crate) fn filters(data: &[u8]) {
    let Some(at) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (filter, value) = data.split_at(at);
    let read = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).ok();
    let Some(filter) = read(filter).and_then(|json| Filter::parse(&json, 1).ok()) else { return };
    let Some(value) = read(value).and_then(|json| value_from_json(&json, Some(1)).ok()) else { return };
    let matches = filter.matches(&value);
    assert!(!filter.is_empty() || matches, "what asks for nothing is always there");
}
