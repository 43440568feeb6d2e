//! `buntime-keyval` as a program uses it: the same on an engine in this process and on a runner elsewhere.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use buntime_database::sqlite::{Options as File, Sqlite};
use buntime_keyval::{
    Atomic, Committed, Engine, Error, Exceeded, Failure, Index, IndexState, Key, Message, Options, Remote,
    RemoteOptions, Search, Selector, Store, Value, What, key,
};
use buntime_tests::{Gateway, example, soon};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;

const TOKEN: &str = "a-long-and-random-text";
const LEASE: Duration = Duration::from_secs(30);

async fn gateway() -> Gateway {
    Gateway::start(json!({ "plugins": [["@buntime/plugin-keyval", { "accessTokens": [TOKEN] }]] })).await
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    tags: BTreeMap<String, Option<u64>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn in_this_process() {
    let engine = Engine::open(Arc::new(Sqlite::open(File::memory()).await.unwrap()), Options::default()).await.unwrap();
    entries(Store::in_engine(&engine).await.unwrap()).await;
    watches(Store::in_engine(&engine).await.unwrap()).await;
    counts(Store::in_engine(&engine).await.unwrap()).await;
    prefixes(Store::in_engine(&engine).await.unwrap()).await;
    queues(Store::in_engine(&engine).await.unwrap()).await;
    indexes(Store::in_engine(&engine).await.unwrap()).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere() {
    let gateway = gateway().await;
    let url = format!("http://{}/p/keyval", gateway.addr());
    let store = Store::connect(&url, TOKEN).await.unwrap();
    entries(store.clone()).await;
    watches(store.clone()).await;
    counts(store.clone()).await;
    prefixes(store.clone()).await;
    queues(store.clone()).await;
    indexes(store.clone()).await;
    // Another namespace is another store.
    let other = Store::connect(&format!("{url}/ns/other"), TOKEN).await.unwrap();
    let all: Vec<_> = other.list(Selector::default()).stream().try_collect().await.unwrap();
    assert!(all.is_empty());
    queues(other).await;
    assert!(matches!(Store::connect(&url, "another-long-token").await, Err(Error::Denied(_))));
    let nowhere = Store::connect(&format!("http://{}/p/nothing", gateway.addr()), TOKEN).await;
    assert!(matches!(nowhere, Err(Error::Invalid(_))), "{nowhere:?}");
    assert!(Store::connect("not a url", TOKEN).await.is_err() && Store::connect(&url, "a\nb").await.is_err());
}

async fn entries(store: Store) {
    let user = User { name: "Ada".into(), tags: BTreeMap::from([("born".into(), Some(1815)), ("died".into(), None)]) };
    let first = store.set(key!["users", 1], &user).await.unwrap();
    assert_eq!(store.get_as::<User>(&key!["users", 1]).await.unwrap(), Some(user));
    assert!(matches!(store.get_as::<u8>(&key!["users", 1]).await, Err(Error::InvalidValue(_))));
    assert_eq!(store.get(&key!["users", 2]).await.unwrap(), None);

    let write =
        || Atomic::new().check(key!["users", 1], Some(first)).check(key!["x"], None).set(key!["x"], Value::U64(1));
    let Committed::Yes(second) = store.commit(write()).await.unwrap() else { panic!("it happens") };
    assert!(second > first);
    assert_eq!(store.commit(write()).await.unwrap(), Committed::No(vec![1]));
    let sum = Atomic::new().sum(key!["users", 1], 1);
    assert!(matches!(store.commit(sum).await, Err(Error::TypeMismatch(_))));
    let large = store.set(key!["large"], &"x".repeat(70_000)).await.unwrap_err();
    assert_eq!(large, Error::Limit(Exceeded { what: What::Value, most: 65_536 }));
    store.set_for(key!["short"], &1, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(store.get_as::<u8>(&key!["short"]).await.unwrap(), Some(1));

    let many = (0..250).fold(Atomic::new(), |write, n| write.set(key!["list", n], Value::U64(1)));
    store.write(many).await.unwrap();
    let keys: Vec<Key> = (0..25).map(|n| key!["list", n * 20]).collect();
    let found = store.get_many(&keys).await.unwrap();
    assert_eq!(found.iter().filter(|entry| entry.is_some()).count(), 13);
    let listed = |list: buntime_keyval::List| async {
        list.stream().map_ok(|entry| entry.key).try_collect::<Vec<Key>>().await.unwrap()
    };
    let all = || store.list(Selector::prefix(key!["list"]));
    assert_eq!(listed(all().batch(7)).await, (0..250).map(|n| key!["list", n]).collect::<Vec<_>>());
    let last = [249, 248, 247].map(|n| key!["list", n]);
    assert_eq!(listed(all().reverse().limit(3).batch(2)).await, last);
    let after = buntime_keyval::cursor(&key!["list", 247]);
    assert_eq!(listed(all().after(after)).await, [key!["list", 248], key!["list", 249]]);
    store.delete(key!["list", 0]).await.unwrap();
    assert_eq!(store.get(&key!["list", 0]).await.unwrap(), None);
}

async fn counts(store: Store) {
    store.write((0..25).fold(Atomic::new(), |write, n| write.set(key!["count", n], Value::U64(1)))).await.unwrap();
    assert_eq!(store.count(&Selector::prefix(key!["count"])).await.unwrap(), 25);
    let some = Selector { end: Some(key!["count", 10]), ..Selector::prefix(key!["count"]) };
    assert_eq!(store.count(&some).await.unwrap(), 10);
}

async fn watches(store: Store) {
    let mut watch = std::pin::pin!(store.watch(vec![key!["w", 1], key!["w", 2]]).unwrap());
    let mut next = async || soon("something told", watch.next()).await.unwrap().unwrap();
    assert_eq!(next().await, [(true, None), (true, None)]);
    let stamp = store.set(key!["w", 2], &true).await.unwrap();
    let told = next().await;
    assert!(!told[0].0 && told[1].0 && told[1].1.as_ref().unwrap().versionstamp == stamp, "{told:?}");
    store.write(Atomic::new().delete(key!["w", 2]).set(key!["w", 1], Value::U64(1))).await.unwrap();
    let told = next().await;
    assert!(told[0].1.is_some() && told[1] == (true, None), "{told:?}");
}

async fn prefixes(store: Store) {
    let own = store.set(key!["p"], &"at the prefix itself").await.unwrap();
    store.set(key!["p", 1], &1).await.unwrap();
    let mut changes = std::pin::pin!(store.watch_below(key!["p"]).await.unwrap());
    let mut next = async || soon("something told", changes.next()).await.unwrap().unwrap();
    let mut told = next().await;
    assert!(told.reset, "it begins");
    // What is there comes with the beginning, or right behind it.
    if told.entries.is_empty() {
        told = next().await;
    }
    assert!(told.entries.len() == 1 && told.entries[0].0 == key!["p", 1], "{told:?}");
    assert!(told.entries[0].1.as_ref().unwrap().versionstamp > own);
    let write = Atomic::new().delete(key!["p", 1]).set(key!["p", 2, "x"], Value::U64(7)).set(key!["p2"], Value::U64(1));
    store.write(write.delete(key!["p"])).await.unwrap();
    let told = next().await;
    let value =
        |(key, entry): &(Key, Option<buntime_keyval::Entry>)| (key.clone(), entry.clone().map(|entry| entry.value));
    let values: Vec<_> = told.entries.iter().map(value).collect();
    assert_eq!(values, [(key!["p", 1], None), (key!["p", 2, "x"], Some(Value::U64(7)))]);
    assert!(!told.reset);
    let mut empty = std::pin::pin!(store.watch_below(key!["nothing"]).await.unwrap());
    let told = soon("that there is nothing", empty.next()).await.unwrap().unwrap();
    assert!(told.reset && told.entries.is_empty());
}

async fn queues(store: Store) {
    let message = |n: u64| Message { backoff: vec![0], ..Message::new(Value::of(&n).unwrap()).to("work ä/?") };
    let take = async || soon("messages", store.receive("work ä/?", 10, LEASE)).await.unwrap();
    let once = || Message { dedup: Some("one".into()), priority: 9, ..message(1) };
    let id = store.enqueue(once()).await.unwrap();
    assert_eq!(store.enqueue(once()).await.unwrap(), id);
    store.enqueue_all(vec![message(2), message(3)]).await.unwrap();
    let got = take().await;
    let said: Vec<u64> = got.iter().map(|one| one.payload.to().unwrap()).collect();
    assert_eq!((said, got[0].id.as_str(), got[0].attempts, got[0].tries), (vec![1, 2, 3], id.as_str(), 1, 2));
    let stats = store.queues().await.unwrap().into_iter().find(|stats| stats.queue == "work ä/?").unwrap();
    assert_eq!((stats.pending, stats.processing, stats.dead), (0, 3, 0));
    assert!(store.extend(&got[0], LEASE).await.unwrap());
    assert!(store.fail(&got[1], Failure { delay: Some(0), ..Failure::default() }).await.unwrap());
    assert!(!store.fail(&got[1], Failure::default()).await.unwrap(), "it is not the consumer's any more");
    let failure = Failure { last: true, reason: Some("no paper".into()), ..Failure::default() };
    assert!(store.fail(&got[2], failure).await.unwrap());
    let again = take().await;
    assert_eq!((again.len(), again[0].attempts, &again[0].id), (1, 2, &got[1].id));
    let done = [got[0].clone(), got[1].clone(), again[0].clone()];
    assert_eq!(store.finish(&done).await.unwrap(), [true, false, true]);
    assert!(!store.extend(&got[0], LEASE).await.unwrap());

    // As a stream, while somebody puts them in.
    let mut messages = std::pin::pin!(store.messages("work ä/?", 3, LEASE));
    let putting = tokio::spawn({
        let store = store.clone();
        async move { store.enqueue_all((10..15).map(message).collect()).await.unwrap() }
    });
    for n in 10..15 {
        let one = soon("a message", messages.next()).await.unwrap().unwrap();
        assert_eq!(one.payload.to::<u64>().unwrap(), n);
        store.finish(&[one]).await.unwrap();
    }
    putting.await.unwrap();
}

/// Indexes, and atomic writes with messages to named queues; the plugin's own tests have the rest of it.
async fn indexes(store: Store) {
    let posts = Search { highlight: true, ..Search::new(key!["posts"], "red") };
    assert!(matches!(store.search(&posts).await, Err(Error::NoIndex(_))));
    store.declare(Index::sorted(key!["posts"], ["title"]).unique()).await.unwrap();
    let search = store.declare(Index::search(key!["posts"], ["title"])).await.unwrap();
    let built = store.built(search.id, LEASE).await.unwrap().unwrap();
    assert_eq!(built.state, IndexState::Ready);
    let post = Value::of(&BTreeMap::from([("title", "Red & white")])).unwrap();
    let write = |n: u32| {
        let message = Message { dedup: Some(n.to_string()), ..Message::new(Value::U64(n.into())).to("posts") };
        Atomic::new().set(key!["posts", n], post.clone()).enqueue(message)
    };
    let stamp = store.write(write(1)).await.unwrap();
    assert!(matches!(store.write(write(2)).await, Err(Error::Unique(_))));
    assert_eq!(store.commit(write(3).check(key!["posts", 1], None)).await, Ok(Committed::No(vec![0])));
    let hits = store.search(&posts).await.unwrap().hits;
    assert_eq!((hits.len(), hits[0].entry.versionstamp), (1, stamp));
    assert_eq!(hits[0].snippets[0].html(), "<mark>Red</mark> &amp; white");
    let got = store.receive("posts", 10, LEASE).await.unwrap();
    assert_eq!((got.len(), &got[0].payload), (1, &Value::U64(1)));
    let failure = Failure { last: true, ..Failure::default() };
    assert!(store.fail(&got[0], failure).await.unwrap());
    let dead = store.dead_letters(Some("posts"), 10, 0).await.unwrap();
    assert!(
        store.requeue(&dead[0].id).await.unwrap().is_some() && !store.delete_dead_letter(&dead[0].id).await.unwrap()
    );
    assert_eq!(store.queue_stats("posts").await.unwrap().pending, 1);
}

/// A watch over a connection that is lost with its server, and calls while it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_goes_away_and_comes_back() {
    let gateway = gateway().await;
    let addr = gateway.addr();
    let options = RemoteOptions { tries: 3, pause: Duration::from_millis(10), ..RemoteOptions::default() };
    let store = Store::at(Remote::new(&format!("http://{addr}/p/keyval"), TOKEN, options).unwrap());
    store.set(key!["a"], &1).await.unwrap();
    let mut watch = std::pin::pin!(store.watch(vec![key!["a"]]).unwrap());
    assert!(soon("how it is", watch.next()).await.unwrap().unwrap()[0].0);
    let mut below = std::pin::pin!(store.watch_below(key!["b"]).await.unwrap());
    assert!(soon("that there is nothing", below.next()).await.unwrap().unwrap().reset);
    let dir = gateway.stop().await;
    // Nothing was sent: nothing happened, and the store says so.
    assert!(matches!(store.set(key!["a"], &2).await, Err(Error::Unavailable(_))));
    assert!(matches!(store.get(&key!["a"]).await, Err(Error::Unavailable(_))));
    let mut config = json!({ "plugins": [["@buntime/plugin-keyval", { "accessTokens": [TOKEN] }]] });
    config["server"] = json!({ "host": "127.0.0.1", "port": addr.port() });
    let _gateway = Gateway::start_in(dir, config, |_| {}).await;
    let stamp = store.set(key!["a"], &3).await.unwrap();
    let told = soon("the last state", watch.next()).await.unwrap().unwrap();
    assert_eq!(told[0].1.as_ref().unwrap().versionstamp, stamp);
    assert_eq!(store.get_as::<u8>(&key!["a"]).await.unwrap(), Some(3));
    // Another process remembers nothing of what was told: everything is told again.
    let stamp = store.set(key!["b", 1], &4).await.unwrap();
    let there = async {
        loop {
            let told = below.next().await.unwrap().unwrap();
            if let Some((_, Some(entry))) = told.entries.first() {
                return entry.versionstamp;
            }
        }
    };
    assert_eq!(soon("what is below", there).await, stamp);
}

/// The example as it is documented, on a runner whose store others use too.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs_against_a_runner() {
    let Some(example) = example("keyval-store") else { return };
    let gateway = gateway().await;
    let url = format!("http://{}/p/keyval", gateway.addr());
    let store = Store::connect(&url, TOKEN).await.unwrap();
    store.write(Atomic::new().sum(key!["writes"], 40)).await.unwrap();
    let mut command = tokio::process::Command::new(example);
    command.env("KV_URL", &url).env("KV_TOKEN", TOKEN).kill_on_drop(true);
    let output = soon("the end of the example", command.output()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    for said in
        ["User { name: \"Ada\", born: 1815 }", "now: Some(U64(41))", "now: Some(U64(42))", "to do: print the invoice"]
    {
        assert!(out.contains(said), "{said} in {out}");
    }
    let ada = store.get(&key!["users", "ada"]).await.unwrap().unwrap();
    assert_eq!(json_of(&ada.value), json!({ "name": "Ada", "born": 1815 }));
}

fn json_of(value: &Value) -> serde_json::Value {
    buntime_keyval::json::value_to_json(value).unwrap()
}
