//! Dead letters, and what queues hold.

use std::time::Duration;

use buntime_keyval::{DeadLetter, Error, Exceeded, Failure, Message, QueueStats, Store, Value, What, key};
use serde_json::json;

use crate::world::{on_both, value};

const LEASE: Duration = Duration::from_secs(30);
/// A name that paths and queries have to escape.
const MAIL: &str = "mail ä/?&";

on_both! {
    letters_are_listed_put_back_and_deleted,
    letters_of_values_that_json_cannot_show,
    what_queues_hold,
}

/// Puts a message into a queue and has it fail for the last time.
async fn die(store: &Store, message: Message, reason: &str) {
    let queue = message.queue.clone();
    store.enqueue(Message { backoff: Vec::new(), ..message }).await.unwrap();
    let got = store.receive(&queue, 1, LEASE).await.unwrap();
    assert!(store.fail(&got[0], Failure { reason: Some(reason.into()), ..Failure::default() }).await.unwrap());
}

fn reasons(letters: &[DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.reason.as_str()).collect()
}

async fn letters_are_listed_put_back_and_deleted(store: Store) {
    let payload = value(&json!({ "to": "ada", "when": { "__type": "date", "value": "2026-11-29T12:00:00.000Z" } }));
    let first = Message { priority: 7, keys_if_undelivered: vec![key!["lost", 1]], ..Message::new(payload.clone()) };
    die(&store, first.to(MAIL), "no such address").await;
    for n in 0..3_u64 {
        die(&store, Message::new(Value::U64(n)).to("other"), &format!("other {n}")).await;
    }
    assert_eq!(store.get(&key!["lost", 1]).await.unwrap().map(|entry| entry.value), Some(payload.clone()));

    let all = store.dead_letters(None, 10, 0).await.unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.is_sorted_by_key(|letter| std::cmp::Reverse(letter.failed_at)), "the newest first");
    let of = async |queue, limit, offset| store.dead_letters(Some(queue), limit, offset).await.unwrap();
    let others = of("other", DeadLetter::MOST, 0).await;
    assert_eq!(others, all.iter().filter(|letter| letter.queue == "other").cloned().collect::<Vec<_>>());
    assert_eq!(of("other", 2, 1).await, others[1..]);
    assert!(
        of("other", 0, 0).await.is_empty() && of("other", 10, 3).await.is_empty() && of("none", 1, 0).await.is_empty()
    );
    let many = Error::Limit(Exceeded { what: What::Entries, most: 1000 });
    assert_eq!(store.dead_letters(None, 1001, 0).await, Err(many));

    let mail = of(MAIL, 10, 0).await;
    assert_eq!((reasons(&mail), mail[0].attempts, &mail[0].payload), (vec!["no such address"], 1, &payload));
    assert!(mail[0].failed_at >= mail[0].created_at && mail[0].created_at > 0);
    let id = mail[0].id.as_str();
    assert_eq!(store.dead_letter(id).await.unwrap().as_ref(), mail.first());

    // With all that it had, as a new message.
    let new = store.requeue(id).await.unwrap().expect("it was there");
    assert_eq!((store.requeue(id).await.unwrap(), store.dead_letter(id).await.unwrap()), (None, None));
    let again = store.receive(MAIL, 10, LEASE).await.unwrap();
    assert_eq!((again.len(), &again[0].id, again[0].priority, again[0].tries), (1, &new, 7, 1));
    assert_eq!(again[0].payload, payload);
    assert_eq!(store.finish(&again).await.unwrap(), [true]);

    let gone = others[0].id.as_str();
    let deleted = async |id| store.delete_dead_letter(id).await.unwrap();
    assert_eq!((deleted(gone).await, deleted(gone).await), (true, false));
    // What is no id is nobody's, and no other path.
    for id in ["", ".", "..", "a/b", "../dlq", "?queue=other", "%2e", "unknown"] {
        assert_eq!(store.dead_letter(id).await.unwrap(), None, "{id}");
        assert_eq!((store.requeue(id).await.unwrap(), deleted(id).await), (None, false), "{id}");
    }
    assert_eq!(of("other", 10, 0).await, others[1..]);
    die(&store, Message::new(Value::U64(9)), "last").await;
    let purged = async |queue| store.purge_dead_letters(queue).await.unwrap();
    assert_eq!((purged(Some("none")).await, purged(Some("other")).await, purged(None).await), (0, 2, 1));
    assert!(store.dead_letters(None, 10, 0).await.unwrap().is_empty());
}

/// Nested too deep, or made by nobody we know: it goes there and back as it is.
async fn letters_of_values_that_json_cannot_show(store: Store) {
    let deep = (0..80).fold(json!(1), |inner, _| json!({ "__type": "set", "value": [inner] }));
    for payload in [Value::V8(vec![0xff, 0x0f, b'?', 1].into()), value(&deep), Value::Bytes(vec![0, 255].into())] {
        die(&store, Message::new(payload.clone()).to("deep"), "why").await;
        let letter = store.dead_letters(Some("deep"), 1, 0).await.unwrap().remove(0);
        assert_eq!(letter.payload, payload);
        store.requeue(&letter.id).await.unwrap();
        let got = store.receive("deep", 1, LEASE).await.unwrap();
        assert_eq!(got[0].payload, payload);
        store.finish(&got).await.unwrap();
    }
}

async fn what_queues_hold(store: Store) {
    let nothing = QueueStats { queue: MAIL.into(), ..QueueStats::default() };
    assert_eq!(store.queue_stats(MAIL).await.unwrap(), nothing);
    assert!(store.queues().await.unwrap().is_empty());
    die(&store, Message::new(Value::U64(0)).to(MAIL), "why").await;
    let messages = (0..3_u64).map(|n| Message::new(Value::U64(n)).to(MAIL)).collect();
    store.enqueue_all(messages).await.unwrap();
    store.enqueue(Message::new(Value::U64(1))).await.unwrap();
    store.receive(MAIL, 1, LEASE).await.unwrap();
    let mail = QueueStats { pending: 2, processing: 1, dead: 1, ..nothing };
    assert_eq!(store.queue_stats(MAIL).await.unwrap(), mail);
    let default = QueueStats { queue: "default".into(), pending: 1, ..QueueStats::default() };
    assert_eq!(store.queues().await.unwrap(), [default, mail]);
}
