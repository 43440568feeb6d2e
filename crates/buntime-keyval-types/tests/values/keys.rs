//! Keys as JSON and as paths.

use buntime_keyval_types::{
    Key, Part,
    json::{key_from_json, key_from_path, key_to_json, key_to_path},
    key,
};
use num_bigint::BigInt;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value as Json, json};

use crate::trees::bigint;

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        ".{0,6}".prop_map(Part::from),
        "[~./%+0-9-]{0,4}".prop_map(Part::from),
        "-?[0-9]{1,20}".prop_map(Part::from),
        vec(any::<u8>(), 0..6).prop_map(Part::from),
        any::<bool>().prop_map(Part::from),
        any::<f64>().prop_map(Part::from),
        any::<i32>().prop_map(Part::from),
        select(vec![-0.0, 1e21, 1e300, 5e-324, 9_007_199_254_740_991.0, 9_007_199_254_740_992.0, -f64::NAN])
            .prop_map(Part::from),
        bigint().prop_map(Part::from),
    ]
}

fn any_key() -> impl Strategy<Value = Key> {
    vec(part(), 0..5).prop_map(|parts| Key::new(&parts).expect("short parts"))
}

proptest! {
    #[test]
    fn keys_come_back(key in any_key()) {
        let text = key_to_json(&key).to_string();
        prop_assert_eq!(&key_from_json(&serde_json::from_str(&text).unwrap()), &Ok(key.clone()), "{}", text);
        let path = key_to_path(&key);
        prop_assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte)), "{}", path);
        prop_assert_eq!(&key_from_path(&path), &Ok(key), "{}", path);
        // As part of a URL.
        prop_assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")));
    }

    /// A path that is taken is that of its key's own path.
    #[test]
    fn any_path_is_taken_or_refused(path in "(/|%[0-9a-f]{2}|~[snibtf]?|[0-9]{1,3}|-|.){0,12}") {
        if let Ok(key) = key_from_path(&path) {
            prop_assert_eq!(key_from_path(&key_to_path(&key)), Ok(key));
        }
    }
}

#[test]
fn paths_as_they_are_documented() {
    let same = [
        ("users/7", key!["users", 7]),
        ("users/-7", key!["users", -7]),
        ("users/~s7", key!["users", "7"]),
        ("a/~t/~f", key!["a", true, false]),
        ("~i7/~n0.5/~n-0/~nNaN/~n1e300", key![7_i128, 0.5, -0.0, f64::NAN, 1e300]),
        ("~bAf8", key![vec![1_u8, 0xff]]),
        ("~s", key![""]),
        ("~s~a/~s./~s..", key!["~a", ".", ".."]),
        ("a%2Fb/caf%C3%A9", key!["a/b", "café"]),
        ("", Key::default()),
        ("99999999999999999999/7a", key!["99999999999999999999", "7a"]),
    ];
    for (path, key) in same {
        assert_eq!(key_from_path(path), Ok(key.clone()), "{path}");
        assert_eq!(key_to_path(&key), path);
    }
    for (path, key) in [
        ("//users///007/", key!["users", 7]),
        ("-0", key![-0.0]),
        ("%37", key![7]),
        ("%7E%74", key![true]),
        ("~bAf8=", key![vec![1_u8, 0xff]]),
        ("a+b", key!["a+b"]),
    ] {
        assert_eq!(key_from_path(path), Ok(key), "{path}");
    }
}

#[test]
fn wrong_paths_are_refused() {
    for path in
        ["~", "~x", "~true", "~n", "~ninf", "~n1e999", "~n0x1", "~i", "~i1.5", "~b*", "%", "%4", "%zz", "%ff", "~i-"]
    {
        let error = key_from_path(path).expect_err(path).to_string();
        assert!(error.starts_with("Invalid key: "), "{path}: {error}");
    }
    assert!(key_from_path(&format!("~i{}", "9".repeat(616))).is_err());
    assert!(key_from_path("a/~home").unwrap_err().to_string().contains("~s~"));
}

#[test]
fn json_keys_as_they_are_documented() {
    let big = Part::BigInt("123456789012345678901234567890".parse::<BigInt>().unwrap());
    let parts = [Part::from("a"), 7.into(), 0.5.into(), true.into(), big, vec![1_u8].into(), f64::NEG_INFINITY.into()];
    let json = json!([
        "a", 7, 0.5, true, {"__type": "bigint", "value": "123456789012345678901234567890"},
        {"__type": "bytes", "value": "AQ=="}, {"__type": "number", "value": "-Infinity"},
    ]);
    let key = Key::new(&parts).unwrap();
    assert_eq!(key_to_json(&key), json);
    assert_eq!(key_from_json(&json), Ok(key));
    for wrong in [
        json!("a"),
        json!([null]),
        json!([[1]]),
        json!([{}]),
        json!([{"__type": "u64", "value": "1"}]),
        json!([{"__type": "number", "value": "1"}]),
        json!([{"__type": "bigint", "value": "x"}]),
        json!([{"__type": "bytes", "value": "*"}]),
        json!([9_007_199_254_740_993_i64]),
        Json::Null,
    ] {
        assert!(key_from_json(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_page_is_right() {
    let rows = crate::documented(3);
    assert_eq!(rows.len(), 14);
    for row in rows {
        let json: Json = serde_json::from_str(&row[0]).expect("JSON");
        let key = key_from_json(&json).unwrap();
        assert_eq!(key_to_path(&key), row[1]);
        assert_eq!(key_from_path(&row[1]), Ok(key));
    }
}
