//! Values and entries as answers have them are the same, byte for byte, as their trees.

use buntime_keyval_types::{
    Entry, Key, Part, Value, Versionstamp,
    json::key_to_json,
    rest::{EntryJson, ValueJson, value_to_json},
    structured::{MAX_DEPTH, Structured, Text, View, ViewKind},
};
use num_bigint::BigInt;
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};
use serde_json::{Value as Json, json};

use crate::trees::{bigint, cyclic, text, tree};

fn v8(tree: &Structured) -> Value {
    Value::V8(tree.encode().into())
}

fn assert_same(value: &Value) {
    let of = |text: serde_json::Result<Vec<u8>>| String::from_utf8(text.expect("JSON")).expect("UTF-8");
    let tree = value_to_json(value);
    assert_eq!(of(serde_json::to_vec(&ValueJson(value))), of(serde_json::to_vec(&tree)));
    assert_eq!(serde_json::to_value(ValueJson(value)).expect("JSON"), tree);
}

/// Such as most are: all that is written without a tree.
fn plain() -> impl Strategy<Value = Structured> {
    let bytes = |bytes: Vec<u8>| {
        let length = u32::try_from(bytes.len()).expect("few");
        let buffer = Structured::Buffer(bytes, None);
        Structured::View(Box::new(View { kind: ViewKind::Uint8, offset: 0, length, flags: 0, buffer }))
    };
    let leaf = prop_oneof![
        any::<f64>().prop_map(Structured::number),
        any::<i32>().prop_map(Structured::Int),
        "\\PC{0,8}".prop_map(|text| Structured::String(text.into())),
        "[\\x00-\\xff]{0,8}".prop_map(|text| Structured::String(text.into())),
        any::<bool>().prop_map(Structured::Bool),
        Just(Structured::Null),
        Just(Structured::Undefined),
        bigint().prop_map(Structured::BigInt),
        (-90_000_000_000_000.0..300_000_000_000_000_f64).prop_map(|time| Structured::Date(time.trunc())),
        vec(any::<u8>(), 0..9).prop_map(bytes),
    ];
    leaf.prop_recursive(4, 60, 20, |inner| {
        let properties = btree_map("\\PC{0,3}|[0-9]{1,4}", inner.clone(), 0..20);
        let property = |(name, value): (String, Structured)| (Text::from(name), value);
        prop_oneof![
            properties.prop_map(move |all| Structured::Object(all.into_iter().map(property).collect())),
            vec(inner.prop_map(Some), 0..9).prop_map(|elements| Structured::Array(elements, Vec::new())),
        ]
    })
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        ".{0,8}".prop_map(Part::from),
        vec(any::<u8>(), 0..8).prop_map(Part::from),
        any::<i64>().prop_map(|number| Part::BigInt(BigInt::from(number))),
        any::<f64>().prop_map(Part::from),
        any::<bool>().prop_map(Part::from),
    ]
}

proptest! {
    #[test]
    fn values_are_as_their_trees(tree in tree(), plain in plain(), number in any::<u64>(), bytes in vec(any::<u8>(), 0..9)) {
        for value in [v8(&tree), v8(&plain), Value::U64(number), Value::Bytes(bytes.into())] {
            assert_same(&value);
        }
    }

    /// Of names that are there twice, or mean something, others' places depend.
    #[test]
    fn names_are_as_in_trees(names in vec(text(), 0..30), other in "[a-c]{1,2}") {
        let object = |(n, name): (usize, Text)| (name, Structured::Object(vec![(other.as_str().into(), Structured::Int(n as i32))]));
        assert_same(&v8(&Structured::Object(names.into_iter().enumerate().map(object).collect())));
    }

    #[test]
    fn damaged_bytes_are_as_their_trees(
        tree in prop_oneof![tree(), plain()],
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        end in option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = tree.encode();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.map_or(bytes.len(), |end| end.index(bytes.len())));
        assert_same(&Value::V8(bytes.into()));
    }

    #[test]
    fn any_bytes_are_as_their_trees(version in 12_u8..18, bytes in vec(any::<u8>(), 0..60)) {
        assert_same(&Value::V8([vec![0xff, version], bytes].concat().into()));
    }

    #[test]
    fn entries_are_as_they_are_documented(
        parts in vec(part(), 0..5), plain in plain(), version in any::<u64>(), expires_at in option::of(any::<u64>()),
    ) {
        let (key, versionstamp) = (Key::new(&parts).unwrap(), Versionstamp::new(version));
        let entry = Entry { key: key.clone(), value: v8(&plain), versionstamp, expires_at };
        let shown = |entry: EntryJson<'_>| serde_json::to_string(&entry).unwrap();
        let mut tree = json!({
            "key": key_to_json(&key),
            "value": value_to_json(&entry.value),
            "versionstamp": versionstamp.to_string(),
        });
        prop_assert_eq!(shown(EntryJson::new(&entry)), tree.to_string());
        if let Some(at) = expires_at {
            tree["expiresAt"] = at.into();
        }
        prop_assert_eq!(shown(EntryJson::new(&entry).with_expiry()), tree.to_string());
        let none = json!({ "key": key_to_json(&key), "value": null, "versionstamp": null });
        prop_assert_eq!(shown(EntryJson::at(&key, None).with_expiry()), none.to_string());
    }
}

#[test]
fn references_and_depth_are_as_in_trees() {
    assert_same(&v8(&cyclic()));
    for depth in [54, 55, 56, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 100_000] {
        let list = [b"\xff\x0f".as_slice(), &b"A\x01".repeat(depth), b"T", &b"$\0\x01".repeat(depth)].concat();
        assert_same(&Value::V8(list.into()));
        let set = [b"\xff\x0f".as_slice(), &b"'".repeat(depth), b"T", &b",\x01".repeat(depth)].concat();
        assert_same(&Value::V8(set.into()));
    }
}

#[test]
fn keys_of_trusted_bytes_that_are_none_have_no_parts() {
    let key = Key::trusted([9].as_slice());
    assert_eq!(serde_json::to_value(EntryJson::at(&key, None)).unwrap()["key"], Json::Array(Vec::new()));
}
