//! What the REST face says is read as what it was.

use buntime_keyval_types::{
    Atomic, Change, DeadLetter, Delivery, Entry, Error, Hit, Index, IndexInfo, IndexState, Message, Page, QueueStats,
    Snippet, SumLimits, Tokenizer, Value, Versionstamp, key,
    rest::{self, EntryJson, HitJson, PageJson},
};
use serde_json::{Value as Json, json};

/// Through text, as it travels.
fn sent(json: &Json) -> Json {
    serde_json::from_str(&json.to_string()).expect("JSON that readers take")
}

fn as_json(shown: &impl serde::Serialize) -> Json {
    serde_json::to_value(shown).expect("JSON")
}

fn entry(n: i32, value: Value) -> Entry {
    Entry { key: key!["a/b", n, true], value, versionstamp: Versionstamp::new(7), expires_at: None }
}

#[test]
fn values_come_back_whatever_they_are() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({ "__type": "set", "value": [inner] }));
    let value = |json: &Json| rest::value_from_json(json, None).unwrap();
    let as_bytes = |value: &Value| rest::value_to_json(value)["__type"] == "v8";
    for (of, bytes) in [
        (Value::U64(u64::MAX), false),
        (Value::Bytes([0, 255].as_slice().into()), false),
        (value(&json!({ "b": 1, "a": [{ "__type": "bigint", "value": "5" }] })), false),
        (value(&nested(50)), false),
        // JSON of it would be nested deeper than readers follow.
        (value(&nested(60)), true),
        (Value::V8([0xff, 0x0f, b'?'].as_slice().into()), true),
        (Value::V8([].as_slice().into()), true),
    ] {
        assert_eq!((value(&sent(&rest::value_to_json(&of))), as_bytes(&of)), (of, bytes));
    }
    let wrong = rest::value_from_json(&json!({ "__type": "v8", "value": "?" }), None).unwrap_err();
    assert!(wrong.to_string().ends_with("is a string in base64"), "{wrong}");
    for inside in [json!([{ "__type": "v8", "value": "" }]), json!({ "__type": "v8", "value": "", "a": 1 })] {
        assert!(rest::value_from_json(&inside, None).is_err());
    }
}

#[test]
fn messages_and_what_became_of_them_come_back() {
    let delivery = Delivery {
        id: "1".into(),
        queue: "q".into(),
        payload: Value::U64(7),
        attempts: 2,
        tries: 3,
        lease: "l".into(),
        leased_until: 9,
        created_at: 8,
        priority: 4,
    };
    assert_eq!(rest::delivery_from_json(&sent(&rest::delivery_to_json(&delivery))), Ok(delivery));
    let letter = DeadLetter {
        id: "1".into(),
        message: "2".into(),
        queue: "q".into(),
        payload: Value::V8([1].as_slice().into()),
        reason: "why".into(),
        attempts: 3,
        created_at: 4,
        failed_at: 5,
    };
    assert_eq!(rest::dead_letter_from_json(&sent(&rest::dead_letter_to_json(&letter))), Ok(letter));
    let stats = QueueStats { queue: "q".into(), pending: 1, processing: 2, dead: 3 };
    let shown = rest::queue_to_json(&stats);
    assert_eq!((&shown["total"], rest::queue_from_json(&shown)), (&json!(6), Ok(stats)));
}

#[test]
fn indexes_and_what_they_find_come_back() {
    let info = |id, index, state, entries| IndexInfo { id, index, state, entries, created_at: 7 };
    let search = Index::search(key!["a"], ["b", "$"]).with_tokenizer(Tokenizer::Ascii);
    for info in [
        info(1, search, IndexState::Building, Some(3)),
        info(2, Index::sorted(key![], ["b"]).named("n").unique(), IndexState::Failed("why".into()), None),
        info(i64::MAX, Index::count(key![1, true]), IndexState::Ready, Some(0)),
    ] {
        assert_eq!(rest::index_info_from_json(&sent(&rest::index_info_to_json(&info))), Ok(info));
    }
    let entries = vec![entry(1, Value::U64(1)), entry(2, Value::V8([].as_slice().into()))];
    for page in [Page { entries, cursor: Some("c".into()) }, Page { entries: Vec::new(), cursor: None }] {
        assert_eq!(rest::page_from_json(&sent(&as_json(&PageJson::from(&page)))), Ok(page));
    }
    let pieces = vec![("<a>".to_owned(), false), ("b".to_owned(), true)];
    let snippets = vec![Snippet { field: "f".into(), pieces, before: true, after: false }];
    let hit = Hit { entry: entry(1, Value::U64(1)), score: 0.1 + 0.2, snippets };
    let shown = as_json(&HitJson::new(&hit).with_highlights().with_snippets());
    assert_eq!(shown["highlights"], json!({ "f": "…&lt;a&gt;<mark>b</mark>" }));
    assert_eq!(rest::hit_from_json(&sent(&shown)), Ok(hit));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let whole = as_json(&EntryJson::new(&entry(1, Value::U64(1))));
    for (name, wrong) in [("key", json!(1)), ("value", json!({ "__type": "?" })), ("versionstamp", json!(7))] {
        let mut bad = whole.clone();
        bad[name] = wrong;
        assert!(rest::entry_from_json(&bad).is_err(), "{name}");
        bad.as_object_mut().unwrap().remove(name);
        let words = format!("`{name}` is missing or is not what it should be");
        assert_eq!(rest::entry_from_json(&bad), Err(Error::InvalidValue(words.into())));
    }
}

#[test]
fn a_write_says_all_that_is_in_it() {
    let limits =
        SumLimits { least: None, most: Some(Value::V8([0xff, 0x0f, b'I', 10].as_slice().into())), clamp: true };
    let message = Message {
        backoff: vec![5],
        keys_if_undelivered: vec![key!["lost"]],
        priority: 12,
        dedup: Some("d".into()),
        ..Message::new(Value::U64(1)).to("q").not_before(150)
    };
    let write = Atomic::new()
        .check(key!["a"], None)
        .check(key!["b"], Some(Versionstamp::new(1)))
        .set_until(key!["c"], Value::U64(1), 99)
        .delete(key!["d"])
        .mutate(key!["e"], Change::Sum(Value::U64(2), limits))
        .max(key!["f"], 3)
        .mutate(key!["g"], Change::SetVersionstamped(Value::U64(4)))
        .enqueue(message);
    let u64 = |n: u64| json!({ "__type": "u64", "value": n.to_string() });
    assert_eq!(
        rest::atomic_to_json(&write, 100),
        Ok(json!({
            "checks": [
                { "key": ["a"], "versionstamp": null },
                { "key": ["b"], "versionstamp": "00000000000000010000" },
            ],
            "mutations": [
                { "type": "set", "key": ["c"], "value": u64(1), "expiresAt": 99 },
                { "type": "delete", "key": ["d"] },
                { "type": "sum", "key": ["e"], "value": u64(2), "strict": true,
                  "limits": { "min": null, "max": 5, "clamp": true } },
                { "type": "max", "key": ["f"], "value": u64(3), "strict": true },
                { "type": "setSuffixVersionstampedKey", "key": ["g"], "value": u64(4) },
                { "value": u64(1), "type": "enqueue", "options": {
                    "queue": "q", "backoffSchedule": [5], "keysIfUndelivered": [["lost"]], "priority": 9, "delay": 50,
                    "dedupKey": "d",
                } },
            ],
        }))
    );
}
