//! Filters against documents: each operator, paths, what is refused, and laws that hold for all.

use buntime_keyval_types::{Value, filter::Filter, json::value_from_json};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value as Json, json};

const NOW: u64 = 1_000_000;

fn value(json: &Json) -> Value {
    value_from_json(json, None).unwrap()
}

fn matches(filter: &Json, of: &Json) -> bool {
    Filter::parse(filter, NOW).unwrap_or_else(|error| panic!("{filter}: {error}")).matches(&value(of))
}

#[track_caller]
fn check(filter: &Json, yes: &[Json], no: &[Json]) {
    for of in yes {
        assert!(matches(filter, of), "{filter} does not match {of}");
    }
    for of in no {
        assert!(!matches(filter, of), "{filter} matches {of}");
    }
}

#[test]
fn comparisons() {
    check(
        &json!({ "a": 1 }),
        &[json!({ "a": 1 }), json!({ "a": 1.0 })],
        &[json!({}), json!({ "a": "1" }), json!({ "a": true })],
    );
    check(&json!({ "a": { "$eq": [1, { "b": 2 }] } }), &[json!({ "a": [1, { "b": 2 }] })], &[json!({ "a": [1] })]);
    check(
        &json!({ "a": { "$ne": 1 } }),
        &[json!({ "a": 2 }), json!({ "a": "1" })],
        &[json!({ "a": 1 }), json!({}), json!({ "a": null })],
    );
    check(
        &json!({ "a": { "$gt": 1, "$lte": 3 } }),
        &[json!({ "a": 2 }), json!({ "a": 3 })],
        &[json!({ "a": 1 }), json!({ "a": 3.5 }), json!({ "a": "2" }), json!({})],
    );
    check(
        &json!({ "a": { "$gte": "b", "$lt": "d" } }),
        &[json!({ "a": "b" }), json!({ "a": "cz" })],
        &[json!({ "a": "d" }), json!({ "a": "a" })],
    );
    check(
        &json!({ "a": { "$between": [1, 2] } }),
        &[json!({ "a": 1 }), json!({ "a": 2 })],
        &[json!({ "a": 0 }), json!({ "a": 2.1 })],
    );
    check(
        &json!({ "a": { "$in": [1, "x", null] } }),
        &[json!({ "a": 1 }), json!({ "a": "x" }), json!({})],
        &[json!({ "a": 2 })],
    );
    check(&json!({ "a": { "$nin": [1, "x"] } }), &[json!({ "a": 2 })], &[json!({ "a": 1 }), json!({})]);
    // Bigints and `KvU64`s are numbers; a string of digits is none.
    let big = |of: &str| json!({ "__type": "bigint", "value": of });
    check(&json!({ "a": { "$gt": 9 } }), &[json!({ "a": big("10") })], &[json!({ "a": big("9") })]);
    check(
        &json!({ "a": big("9007199254740993") }),
        &[json!({ "a": big("9007199254740993") })],
        &[json!({ "a": 9007199254740992_u64 })],
    );
    check(
        &json!({ "$": { "$gte": 7 } }),
        &[json!({ "__type": "u64", "value": "7" })],
        &[json!({ "__type": "u64", "value": "6" }), json!("8")],
    );
}

#[test]
fn texts() {
    check(
        &json!({ "a": { "$contains": "da" } }),
        &[json!({ "a": "Ada" }), json!({ "a": ["x", "da"] })],
        &[json!({ "a": "DA" }), json!({ "a": ["Ada"] }), json!({})],
    );
    check(&json!({ "a": { "$containsi": "ÄD" } }), &[json!({ "a": "Päda" })], &[json!({ "a": "pada" })]);
    check(
        &json!({ "a": { "$notContains": "x" } }),
        &[json!({ "a": "y" }), json!({ "a": 5 })],
        &[json!({ "a": "xy" }), json!({}), json!({ "a": null })],
    );
    check(&json!({ "a": { "$notContainsi": "X" } }), &[json!({ "a": "y" })], &[json!({ "a": "axb" })]);
    // Characters beyond the first plane count as they are.
    check(
        &json!({ "a": { "$startsWith": "😀b" } }),
        &[json!({ "a": "😀bc" })],
        &[json!({ "a": "😀" }), json!({ "a": 1 })],
    );
    check(&json!({ "a": { "$endsWith": "b😀" } }), &[json!({ "a": "ab😀" })], &[json!({ "a": "😀b" })]);
    check(
        &json!({ "a": { "$startsWithi": "AB", "$endsWithi": "yZ" } }),
        &[json!({ "a": "abcxyz" })],
        &[json!({ "a": "bxyz" })],
    );
    // Nothing in them is a pattern.
    check(&json!({ "a": { "$containsi": "%_\\" } }), &[json!({ "a": "1%_\\" })], &[json!({ "a": "anything" })]);
    check(
        &json!({ "ids": { "$contains": 5 } }),
        &[json!({ "ids": [4, 5] })],
        &[json!({ "ids": [4] }), json!({ "ids": 5 })],
    );
}

#[test]
fn what_is_there() {
    check(
        &json!({ "a": { "$null": true } }),
        &[json!({}), json!({ "a": null }), json!({ "a": { "__type": "undefined" } }), json!(1)],
        &[json!({ "a": 0 })],
    );
    check(&json!({ "a": null }), &[json!({}), json!({ "a": null })], &[json!({ "a": "" })]);
    check(&json!({ "a": { "$ne": null } }), &[json!({ "a": "" })], &[json!({}), json!({ "a": null })]);
    check(
        &json!({ "a": { "$empty": true } }),
        &[json!({}), json!({ "a": "" }), json!({ "a": [] })],
        &[json!({ "a": 0 }), json!({ "a": {} }), json!({ "a": [0] })],
    );
    check(&json!({ "a": { "$notEmpty": true } }), &[json!({ "a": "x" })], &[json!({ "a": "" })]);
    check(&json!({ "a": { "$notEmpty": false } }), &[json!({ "a": "" })], &[json!({ "a": "x" })]);
}

#[test]
fn together() {
    check(&json!({ "$or": [{ "a": 1 }, { "b": 2 }] }), &[json!({ "a": 1 }), json!({ "b": 2 })], &[json!({ "a": 2 })]);
    check(
        &json!({ "$and": [{ "a": 1 }, { "b": 2 }], "c": 3 }),
        &[json!({ "a": 1, "b": 2, "c": 3 })],
        &[json!({ "a": 1, "b": 2 })],
    );
    check(&json!({ "$not": { "a": 1 } }), &[json!({ "a": 2 }), json!({})], &[json!({ "a": 1 })]);
    check(&json!({ "$and": [] }), &[json!(null)], &[]);
    check(&json!({}), &[json!(null), json!(5)], &[]);
}

#[test]
fn paths() {
    let of = json!({ "a": { "b.c": [{ "d": 1 }, { "d": 2 }] }, "m": { "__type": "map", "value": [["k", 5]] } });
    check(&json!({ "a.\"b.c\"[1].d": 2, "m.k": 5, "$.a.\"b.c\"[#-2].d": 1 }), &[of], &[json!({})]);
    check(&json!({ "$[0]": "x" }), &[json!(["x"])], &[json!({ "0": "x" }), json!([])]);
    check(&json!({ "$": "whole" }), &[json!("whole")], &[json!("part")]);
    let sparse = json!({ "__type": "array", "value": { "length": 1000, "properties": [["7", "a"]] } });
    check(&json!({ "$[7]": "a" }), &[sparse], &[json!(["a"])]);
    // An object that is there twice is stored once.
    let twice = json!({ "x": { "n": 1 }, "y": { "__type": "reference", "value": 1 } });
    check(&json!({ "y.n": 1 }), &[twice], &[]);
}

#[test]
fn times() {
    let ago = |ms: i64| json!({ "$now": true, "$offset": -ms });
    check(
        &json!({ "at": { "$lt": ago(0) } }),
        &[json!({ "at": 999_999 }), json!({ "at": { "__type": "date", "value": 5 } })],
        &[json!({ "at": 1_000_000 }), json!({ "at": "x" })],
    );
    check(
        &json!({ "at": { "$gte": { "$now": true, "offset": -10 } } }),
        &[json!({ "at": 999_990 })],
        &[json!({ "at": 999_989 })],
    );
    check(&json!({ "at": { "$between": [ago(10), ago(0)] } }), &[json!({ "at": 999_995 })], &[json!({ "at": 5 })]);
    check(&json!({ "at": ago(0) }), &[json!({ "at": 1_000_000 })], &[json!({ "at": 1 })]);
}

#[test]
fn what_is_unknown_or_wrong_is_refused_with_its_name() {
    let words = |filter: Json| Filter::parse(&filter, NOW).map(drop).unwrap_err().to_string();
    let said = [
        words(json!({ "status": { "$equals": "x" } })),
        words(json!({ "$nor": [] })),
        words(json!({ "status": { "$eq": 1, "name": 2 } })),
        words(json!({ "status": {} })),
        words(json!({ "status": ["a"] })),
        words(json!({ "$or": [] })),
        words(json!({ "$or": { "a": 1 } })),
        words(json!({ "$not": [] })),
        words(json!([])),
        words(json!({ "a": { "$between": [1] } })),
        words(json!({ "a": { "$in": 1 } })),
        words(json!({ "a": { "$gt": null } })),
        words(json!({ "a": { "$startsWith": 1 } })),
        words(json!({ "a": { "$null": 1 } })),
        words(json!({ "a": { "$lt": { "$now": 1 } } })),
        words(json!({ "a') = ? OR 1=1 --[": 1 })),
        words(json!({ "a..b": 1 })),
        words(json!({ "": 1 })),
    ];
    insta::assert_snapshot!(said.join("\n"));
    let mut deep = json!({ "a": 1 });
    (0..20).for_each(|_| deep = json!({ "$not": deep }));
    assert!(words(deep).contains("deeper"));
    assert!(words(json!({ "$and": vec![json!({ "a": 1 }); 1001] })).contains("Too many conditions"));
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-3_i64..3).prop_map(Json::from),
        (-6_i64..6).prop_map(|n| json!(n as f64 / 2.0)),
        "[aB]{0,2}".prop_map(Json::from),
        (-3_i64..3).prop_map(|n| json!({ "__type": "bigint", "value": n.to_string() })),
    ]
}

fn document() -> impl Strategy<Value = Json> {
    let field = prop_oneof![scalar(), vec(scalar(), 0..3).prop_map(Json::from)];
    vec(("[ab]", field), 0..3).prop_map(|fields| fields.into_iter().collect::<serde_json::Map<_, _>>().into())
}

fn anything() -> impl Strategy<Value = Json> {
    let name = prop_oneof![
        Just("$eq".to_owned()),
        Just("$not".to_owned()),
        Just("$in".to_owned()),
        Just("__type".to_owned()),
        ".{0,4}"
    ];
    scalar().prop_recursive(4, 30, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            vec((name.clone(), inner), 0..4)
                .prop_map(|fields| fields.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_is_a_filter_or_an_error(json in anything(), of in document()) {
        if let Ok(filter) = Filter::parse(&json, NOW) {
            filter.matches(&value(&of));
        }
    }

    #[test]
    fn operators_mean_the_same_together_as_apart(of in document(), a in scalar(), b in scalar()) {
        let one = |operator: &str, operand: &Json| matches(&json!({ "a": { operator: operand } }), &of);
        prop_assert_eq!(matches(&json!({ "a": { "$in": [a, b] } }), &of), one("$eq", &a) || one("$eq", &b));
        prop_assert_eq!(matches(&json!({ "$not": { "a": a } }), &of), !one("$eq", &a));
        prop_assert_eq!(matches(&json!({ "$or": [{ "a": a }, { "b": b }] }), &of),
            matches(&json!({ "$not": { "$and": [{ "$not": { "a": a } }, { "$not": { "b": b } }] } }), &of));
        let there = one("$null", &json!(false));
        if there && !a.is_null() {
            prop_assert_eq!(one("$ne", &a), !one("$eq", &a));
            prop_assert_eq!(one("$nin", &json!([a])), one("$ne", &a));
        }
        if !a.is_null() && !b.is_null() {
            prop_assert_eq!(one("$between", &json!([a, b])), one("$gte", &a) && one("$lte", &b));
            prop_assert_eq!(one("$gte", &a), one("$gt", &a) || (one("$eq", &a)));
            prop_assert!(!(one("$gt", &a) && one("$lt", &a)));
        }
    }

    #[test]
    fn a_value_equals_itself(of in document()) {
        let same = matches(&json!({ "$": { "$eq": of } }), &of);
        prop_assert!(same);
    }
}
