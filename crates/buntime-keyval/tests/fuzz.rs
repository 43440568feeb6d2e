//! What the fuzz targets do with their bytes, with bytes that are often almost right.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use buntime_keyval::{Atomic, Change, Key, Message, Part, Value, key, structured::Structured, wire};
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message as _;

/// Bytes, damaged here and there.
fn damaged(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (bytes, vec((any::<Index>(), any::<u8>()), 0..4), any::<Index>(), any::<bool>()).prop_map(
        |(mut bytes, damage, end, cut)| {
            for (at, byte) in damage {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            if cut {
                bytes.truncate(end.index(bytes.len() + 1));
            }
            bytes
        },
    )
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        vec(any::<u8>(), 0..4).prop_map(Part::from),
        "[\\x00a-cäÿ]{0,3}".prop_map(Part::from),
        any::<i128>().prop_map(Part::from),
        any::<f64>().prop_map(Part::from),
        any::<bool>().prop_map(Part::from),
    ]
}

/// Two keys of which the second is often below the first.
fn two_keys() -> impl Strategy<Value = Vec<u8>> {
    (vec(part(), 0..3), vec(part(), 0..3), any::<bool>()).prop_map(|(first, more, below)| {
        let second = if below { [first.clone(), more].concat() } else { more };
        let bytes = |parts: &[Part]| Key::new(parts).unwrap().as_bytes().to_vec();
        let (mut first, mut second) = (bytes(&first), bytes(&second));
        // The target halves its bytes; where a half is longer it is no key.
        let length = first.len().min(second.len());
        if first.len() + 1 < second.len() {
            second.truncate(length);
        } else if second.len() < first.len() {
            first.truncate(length);
        }
        [first, second].concat()
    })
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    (vec(part(), 1..3), any::<u64>(), 0_u8..6, any::<u32>()).prop_map(|(parts, number, kind, step)| {
        let key = Key::new(&parts).unwrap();
        let change = match kind {
            0 => Change::Set(Value::V8(Structured::Int(1).encode().into())),
            1 => Change::Delete,
            2 => Change::SetVersionstamped(Value::Bytes([1].as_slice().into())),
            3 => Change::Min(Value::U64(number)),
            4 => Change::Max(Value::U64(number)),
            _ => Change::Sum(Value::U64(number), buntime_keyval::SumLimits::default()),
        };
        let payload = Value::V8(Structured::Null.encode().into());
        let message = Message { backoff: vec![step], keys_if_undelivered: vec![key.clone()], ..Message::new(payload) };
        let write = Atomic::new().check(key.clone(), None).mutate(key, change).enqueue(message);
        wire::AtomicWrite::try_from(&write).unwrap().encode_to_vec()
    })
}

fn text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i32>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("JSON has it", |n| n.is_finite()).prop_map(|n| n.to_string()),
        "[a-c$_. ~]{0,4}".prop_map(|text| format!("{text:?}")),
        "(bigint|bytes|number|date|u64|map|regexp|undefined|reference)"
            .prop_map(|name| { format!("{{\"__type\":\"{name}\",\"value\":\"12\"}}") }),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = "(a|b|a.b|\\$eq|\\$gt|\\$and|\\$or|\\$not|\\$in|\\$between|\\$contains|\\$null|__type|\\$now)";
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            vec((name, inner), 0..3).prop_map(|all| {
                let members: Vec<String> = all.into_iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn keys(data in damaged(two_keys())) {
        bodies::keys(&data);
    }

    #[test]
    fn protobuf(data in damaged(request())) {
        bodies::protobuf(&data);
    }

    #[test]
    fn structured(data in damaged(text().prop_map(|text| {
        let json = serde_json::from_str(&text).unwrap_or_default();
        buntime_keyval::json::value_from_json(&json, Some(1)).map_or_else(|_| vec![0xff, 15], |value| value.to_data())
    }))) {
        bodies::structured(&data);
    }

    #[test]
    fn json(data in damaged(text().prop_map(String::into_bytes))) {
        bodies::json(&data);
    }

    #[test]
    fn filters(data in damaged((text(), text()).prop_map(|(filter, value)| format!("{filter}\n{value}").into_bytes()))) {
        bodies::filters(&data);
    }

    #[test]
    fn any_bytes(data in vec(any::<u8>(), 0..200)) {
        for body in [bodies::keys, bodies::protobuf, bodies::structured, bodies::json, bodies::filters] {
            body(&data);
        }
    }
}

/// What was found once.
#[test]
fn what_was_found() {
    // A string with 0xff in it is no key; a date so far away is none.
    for data in [
        b"".as_slice(),
        b"\n",
        b"{}\n1",
        b"\xff\x0f",
        key![""].as_bytes(),
        b"\x02\xff\0",
        b"\xff\rD\0\0\0\0\0\0\0\xff",
        b"\xff\x0fB\0V\xbf\0\0\0\xff\xff\xff\xff\0",
        b"\x02\x01\xff\0\x02\x01\xff\0",
    ] {
        for body in [bodies::keys, bodies::protobuf, bodies::structured, bodies::json, bodies::filters] {
            body(data);
        }
    }
}
