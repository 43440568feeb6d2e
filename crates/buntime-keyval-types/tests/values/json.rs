//! Values as JSON.

use buntime_keyval_types::{
    Value,
    json::{value_from_json, value_from_text, value_to_json},
    structured::{MAX_DEPTH, Structured},
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value as Json, json};

use crate::trees::{cyclic, tree};

/// Through text, as it travels.
fn printed(value: &Value) -> Json {
    let text = value_to_json(value).expect("a value").to_string();
    serde_json::from_str(&text).expect("JSON")
}

fn v8(tree: &Structured) -> Value {
    Value::V8(tree.encode().into())
}

fn refusal(json: &Json) -> String {
    match value_from_json(json, Some(0)) {
        Ok(value) => panic!("{json} is {value:?}"),
        Err(error) => error.to_string(),
    }
}

/// Any JSON of which much means something.
fn any_json() -> impl Strategy<Value = Json> {
    const TYPES: [&str; 19] = [
        "u64",
        "bigint",
        "bytes",
        "number",
        "undefined",
        "date",
        "map",
        "set",
        "regexp",
        "array",
        "hole",
        "error",
        "view",
        "arraybuffer",
        "boxed",
        "reference",
        "string",
        "object",
        "other",
    ];
    const NAMES: [&str; 18] = [
        "$now",
        "$offset",
        "offset",
        "value",
        "kind",
        "length",
        "flags",
        "buffer",
        "source",
        "elements",
        "properties",
        "name",
        "message",
        "cause",
        "stack",
        "bytes",
        "maxByteLength",
        "a",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (0..9).prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        select(vec!["", "AQID", "Uint8Array", "TypeError", "gi", "-17", "NaN", "2026-01-31T23:59:59Z"])
            .prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let inner = inner.boxed();
        prop_oneof![
            3 => (select(TYPES.as_slice()), inner.clone()).prop_map(|(name, value)| json!({"__type": name, "value": value})),
            2 => vec((select(NAMES.as_slice()), inner.clone()), 0..5).prop_map(|all| all.into_iter().collect()),
            1 => vec(inner, 0..3).prop_map(Json::from),
        ]
    })
}

proptest! {
    #[test]
    fn values_come_back(tree in tree()) {
        let value = v8(&tree);
        prop_assert_eq!(value_from_json(&printed(&value), Some(1)), Ok(value));
    }

    #[test]
    fn other_values_come_back(number in any::<u64>(), bytes in vec(any::<u8>(), 0..20)) {
        for value in [Value::U64(number), Value::Bytes(bytes.into())] {
            prop_assert_eq!(value_from_json(&printed(&value), None), Ok(value));
        }
    }

    #[test]
    fn doubles_come_back(number in any::<f64>()) {
        let value = v8(&Structured::number(number));
        let Value::V8(back) = value_from_json(&printed(&value), None).unwrap() else { panic!("not V8's") };
        match Structured::decode(&back).unwrap() {
            Structured::Double(back) => prop_assert!(back.to_bits() == number.to_bits() || back.is_nan() && number.is_nan()),
            Structured::Int(back) => prop_assert_eq!(f64::from(back), number),
            other => panic!("{other:?}"),
        }
    }

    /// What is taken can be read, and is printed so that it is the same; as text it is the same, too.
    #[test]
    fn any_json_is_taken_or_refused(json in any_json()) {
        if let Some(value) = value_from_text(json.to_string().as_bytes()) {
            prop_assert_eq!(Ok(value), value_from_json(&json, Some(1)));
        }
        if let Ok(value) = value_from_json(&json, Some(1)) {
            prop_assert_eq!(value_from_json(&printed(&value), None), Ok(value));
        }
    }
}

#[test]
fn values_as_they_are_documented() {
    for json in [
        json!({"a": [1, -0.5, "x", null, true, {}], "value": 9_007_199_254_740_991_i64}),
        json!({"__type": "u64", "value": "18446744073709551615"}),
        json!({"__type": "bytes", "value": "AQI="}),
        json!({"__type": "undefined"}),
        json!({"__type": "string", "value": [0xd800]}),
        json!([
            {"__type": "bigint", "value": "-123456789012345678901234567890"},
            {"__type": "bytes", "value": "AQI="},
            {"__type": "number", "value": "NaN"},
            {"__type": "number", "value": "-0"},
            {"__type": "number", "value": "-Infinity"},
            {"__type": "date", "value": "2026-01-31T23:59:59.999Z"},
            {"__type": "date", "value": 8.64e15 as i64},
            {"__type": "date", "value": null},
            {"__type": "map", "value": [[1, {"a": 1}], [{"__type": "undefined"}, 2]]},
            {"__type": "set", "value": [1, "a"]},
            {"__type": "regexp", "value": {"source": "a+", "flags": "gi"}},
            {"__type": "array", "value": {"elements": [1, {"__type": "hole"}], "properties": [["x", 1]]}},
            {"__type": "array", "value": {"length": 4_000_000_000_u32, "properties": [["7", 1]]}},
            {"__type": "error", "value": {"name": "TypeError", "message": "why", "cause": 1, "stack": "at"}},
            {"__type": "arraybuffer", "value": "AQI="},
            {"__type": "arraybuffer", "value": {"bytes": "AQI=", "maxByteLength": 8}},
            {"__type": "view", "value": {
                "kind": "Uint16Array", "offset": 0, "length": 2, "buffer": {"__type": "arraybuffer", "value": "AQI="},
            }},
            {"__type": "boxed", "value": {"__type": "bigint", "value": "1"}},
            {"__type": "reference", "value": 0},
            {"__type": "object", "value": [["__type", "mine"], ["$now", true]]},
        ]),
    ] {
        let value = value_from_json(&json, Some(1)).unwrap();
        assert_eq!(printed(&value), json);
    }
}

#[test]
fn references_come_back() {
    let value = v8(&cyclic());
    assert_eq!(value_from_json(&printed(&value), None), Ok(value));
}

#[test]
fn now_is_the_time_of_the_write() {
    let taken = |json, now| printed(&value_from_json(&json, now).unwrap());
    let now = Some(1_700_000_000_000);
    assert_eq!(
        taken(json!({"a": {"$now": true, "$offset": -1000}, "b": [{"$now": true, "offset": 1}, {"$now": true}]}), now),
        json!({"a": 1_699_999_999_000_i64, "b": [1_700_000_000_001_i64, 1_700_000_000_000_i64]})
    );
    // Without a time it is an object like others, which is printed so that it stays one.
    assert_eq!(taken(json!({"$now": true}), None), json!({"__type": "object", "value": [["$now", true]]}));
    for wrong in [
        json!({"$now": false}),
        json!({"$now": true, "a": 1}),
        json!({"$now": true, "$offset": "1"}),
        json!({"$now": true, "$offset": 1, "offset": 1}),
    ] {
        assert!(refusal(&wrong).contains(r#"{"__type":"object","value":[["name""#), "{}", refusal(&wrong));
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (json, why) in [
        (json!({"__type": "mine"}), r#"there is no "__type" "mine"; an object with such a name of its own is written"#),
        (json!({"__type": 1}), r#"there is no "__type" 1; an object"#),
        (
            json!({"__type": "set", "value": [], "a": 1}),
            r#"beside "__type" is only "value", but there is "a"; an object"#,
        ),
        (json!({"__type": "bigint", "value": "1.5"}), "a string of up to 10000 decimal digits"),
        (json!({"__type": "bigint", "value": "--1"}), "a string of up to 10000 decimal digits"),
        (json!({"__type": "bigint", "value": "0x-1"}), "a string of up to 10000 decimal digits"),
        (json!({"__type": "bigint", "value": "9".repeat(10_001)}), "a string of up to 10000 decimal digits"),
        (json!({"__type": "bigint", "value": format!("0x{}", "f".repeat((2 << 20) + 1))}), "of 2097152 hexadecimal"),
        (json!({"__type": "u64", "value": "18446744073709551616"}), "a string of digits, up to 18446744073709551615"),
        (json!([{"__type": "u64", "value": "1"}]), r#"a "u64" is a whole value"#),
        (json!([{"__type": "hole"}]), r#"a "hole" is only in"#),
        (json!({"__type": "date", "value": "tomorrow"}), "a time like"),
        (json!({"__type": "regexp", "value": {"source": "a", "flags": "x"}}), r#"some of "dgimsuvy""#),
        (json!({"__type": "error", "value": {"code": 1}}), r#"but it has "code""#),
        (json!({"__type": "reference", "value": 0}), "a reference leads nowhere"),
        (json!({"__type": "boxed", "value": {}}), "a boolean, number, bigint or string"),
        (
            json!({"__type": "view", "value": {
                "kind": "Uint16Array", "offset": 1, "length": 2, "buffer": {"__type": "arraybuffer", "value": "AQIDBA=="},
            }}),
            "a view does not fit its buffer",
        ),
        (
            json!({"__type": "array", "value": {"length": 1, "properties": [["1", 1]]}}),
            "an array's element is behind its end",
        ),
    ] {
        assert!(refusal(&json).contains(why), "{json}: {}", refusal(&json));
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| (1..depth).fold(json!(1), |inner, _| json!([inner]));
    let deepest = value_from_json(&nested(MAX_DEPTH), None).unwrap();
    assert_eq!(printed(&deepest), nested(MAX_DEPTH));
    assert_eq!(refusal(&nested(MAX_DEPTH + 1)), "Invalid value: it is nested deeper than 100");
}

#[test]
fn the_page_is_right() {
    let rows = crate::documented(2);
    assert_eq!(rows.len(), 19);
    for row in rows {
        let json: Json = serde_json::from_str(&row[0]).expect("JSON");
        assert_eq!(printed(&value_from_json(&json, None).unwrap()), json);
    }
}

#[test]
fn long_bigints_are_hexadecimal() {
    for (json, again) in [
        ("9".repeat(9_000), "9".repeat(9_000)),
        (format!("-0x{}", "f".repeat(9_000)), format!("-0x{}", "f".repeat(9_000))),
        ("-0x1F".to_owned(), "-31".to_owned()),
    ] {
        let value = value_from_json(&json!({"__type": "bigint", "value": json}), None).unwrap();
        assert_eq!(printed(&value), json!({"__type": "bigint", "value": again}));
    }
}
