//! Watches.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{events::Events, world::World};

fn seen(entries: &Value) -> Vec<(Value, Value)> {
    entries.as_array().unwrap().iter().map(|entry| (entry["key"].clone(), entry["value"].clone())).collect()
}

async fn resumed(world: &World, path: &str, id: &str) -> Events {
    Events::new(world.ask(Method::GET, path).header("last-event-id", id).send().await.unwrap())
}

#[tokio::test]
async fn keys_are_told_now_when_they_change_and_when_one_comes_back() {
    let world = World::with(json!({ "keepAlive": "1s" })).await;
    world.put("/api/keys/a%2Cb", &json!(1)).await.ok();
    let path = "/api/watch?keys=a%252Cb,c";
    let mut watch = world.events(path).await;
    let first = watch.next("change").await;
    assert_eq!(seen(&first.json()), [(json!(["a,b"]), json!(1)), (json!(["c"]), Value::Null)]);
    world.put("/api/keys/c", &json!({ "x": 1 })).await.ok();
    let second = watch.next("change").await;
    assert_eq!(seen(&second.json()), [(json!(["c"]), json!({ "x": 1 }))]);
    world.delete("/api/keys/c").await.ok();
    let third = watch.next("change").await;
    assert_eq!(third.json(), json!([{ "key": ["c"], "value": null, "versionstamp": null }]));
    assert_eq!(
        watch.any().await.unwrap(),
        crate::events::Event { name: "ping".into(), id: third.id, ..Default::default() }
    );
    drop(watch);

    // Who comes back is told what is different from what it saw.
    world.put("/api/keys/a%2Cb", &json!(2)).await.ok();
    let mut back = resumed(&world, path, &second.id.unwrap()).await;
    let missed = back.next("change").await;
    assert_eq!(seen(&missed.json()), [(json!(["a,b"]), json!(2)), (json!(["c"]), Value::Null)]);

    // Without what is there.
    let mut quiet = world.events("/api/watch?keys=a%252Cb&initial=false").await;
    world.put("/api/keys/a%2Cb", &json!(3)).await.ok();
    assert_eq!(seen(&quiet.next("change").await.json()), [(json!(["a,b"]), json!(3))]);
    let missing = world.get("/api/watch").await.error();
    assert_eq!(missing, (400, "Missing 'keys' query parameter".to_owned()));
}

#[tokio::test]
async fn prefixes_are_told_of_all_that_is_below_them_and_of_themselves() {
    let world = World::new().await;
    for n in 0..250 {
        world.put(&format!("/api/keys/a/{n}"), &json!(n)).await.ok();
    }
    // As the original's client says it, and with its limit: which is of one event and not of what is watched.
    let path = "/api/watch/prefix?prefixes=a,b%252Fc&initial=true&limit=100";
    let mut watch = world.events(path).await;
    let (mut all, mut id) = (Vec::new(), None);
    while id.is_none() {
        let event = watch.next("change").await;
        let entries = seen(&event.json());
        assert!(entries.len() <= 100);
        all.extend(entries);
        id = event.id;
    }
    assert_eq!(all, (0..250).map(|n| (json!(["a", n]), json!(n))).collect::<Vec<_>>());
    world.put("/api/keys/ab", &json!("a sibling")).await.ok();
    world.put("/api/keys/a/249", &json!("changed")).await.ok();
    assert_eq!(seen(&watch.next("change").await.json()), [(json!(["a", 249]), json!("changed"))]);
    world.put("/api/keys/b%2Fc", &json!("the prefix itself")).await.ok();
    assert_eq!(seen(&watch.next("change").await.json()), [(json!(["b/c"]), json!("the prefix itself"))]);
    world.put("/api/keys/b%2Fc/1", &json!(1)).await.ok();
    let last = watch.next("change").await;
    assert_eq!(seen(&last.json()), [(json!(["b/c", 1]), json!(1))]);
    drop(watch);

    // Deleted while it was away: it is told so.
    assert_eq!(world.delete("/api/keys/a/7").await.ok()["deletedCount"], 1);
    let mut back = resumed(&world, path, &last.id.unwrap()).await;
    let missed = back.next("change").await;
    assert_eq!(missed.json(), json!([{ "key": ["a", 7], "value": null, "versionstamp": null }]));
    // A place that is nobody's is none.
    let mut fresh = resumed(&world, "/api/watch/prefix?prefix=b%252Fc", "nonsense").await;
    assert!(seen(&fresh.next("change").await.json()).len() <= 2);

    let mut everything = world.events("/api/watch/prefix?prefix=&initial=false").await;
    world.put("/api/keys/anything", &json!(1)).await.ok();
    assert_eq!(seen(&everything.next("change").await.json()), [(json!(["anything"]), json!(1))]);
    assert_eq!(world.get("/api/watch/prefix").await.error(), (400, "Missing 'prefix' query parameter".to_owned()));
}

#[tokio::test]
async fn polls_tell_what_changed_since() {
    let world = World::new().await;
    world.put("/api/keys/a", &json!(1)).await.ok();
    let first = world.get("/api/watch/poll?keys=a,b").await.ok();
    assert_eq!(seen(&first["entries"]), [(json!(["a"]), json!(1))]);
    let stamps = |answer: &Value| {
        let stamps: Vec<&str> =
            answer["versionstamps"].as_array().unwrap().iter().map(|stamp| stamp.as_str().unwrap()).collect();
        stamps.join(",")
    };
    assert!(stamps(&first).ends_with(','));
    let same = world.get(&format!("/api/watch/poll?keys=a,b&versionstamps={}", stamps(&first))).await.ok();
    assert_eq!((&same["entries"], &same["versionstamps"]), (&json!([]), &first["versionstamps"]));
    let path = format!("/api/watch/poll?keys=a,b&versionstamps={}&wait=20s", stamps(&first));
    let (waited, _) = futures_util::future::join(world.get(&path), world.put("/api/keys/b", &json!(2))).await;
    assert_eq!(seen(&waited.ok()["entries"]), [(json!(["b"]), json!(2))]);
    let gone = async || world.get(&format!("/api/watch/poll?keys=a,b&versionstamps={}", stamps(&first))).await.ok();
    world.delete("/api/keys/a").await.ok();
    assert_eq!(seen(&gone().await["entries"]), [(json!(["a"]), Value::Null), (json!(["b"]), json!(2))]);
}

#[tokio::test]
async fn polls_of_prefixes_go_on_where_they_were() {
    let world = World::new().await;
    for n in 0..700 {
        world.put(&format!("/api/keys/p/{n}"), &json!(n)).await.ok();
    }
    let path = "/api/watch/prefix/poll?prefixes=p,q";
    let mut token = String::new();
    let (mut all, mut polls) = (Vec::new(), 0);
    loop {
        let answer = world.get(&format!("{path}&versionstamps={}", token.replace('|', "%7C"))).await.ok();
        token = answer["versionstamps"].as_str().unwrap().to_owned();
        polls += 1;
        if answer["entries"] == json!([]) {
            break;
        }
        if polls == 1 {
            // Behind where it is, and before it: both are told.
            world.put("/api/keys/p/0", &json!("again")).await.ok();
            world.put("/api/keys/q", &json!("new")).await.ok();
        }
        all.extend(seen(&answer["entries"]));
    }
    assert!(polls > 2);
    let last = |key: Value| all.iter().rfind(|(of, _)| *of == key).map(|(_, value)| value.clone());
    assert_eq!((last(json!(["p", 0])), last(json!(["q"]))), (Some(json!("again")), Some(json!("new"))));
    assert!((0..700).all(|n| all.iter().any(|(key, _)| *key == json!(["p", n]))));
    let wait = format!("{path}&wait=20s&versionstamps={}", token.replace('|', "%7C"));
    let (waited, _) = futures_util::future::join(world.get(&wait), world.delete("/api/keys/p/5")).await;
    assert_eq!(seen(&waited.ok()["entries"]), [(json!(["p", 5]), Value::Null)]);
}

#[tokio::test]
async fn there_are_so_many_at_a_time() {
    let world = World::with(json!({ "maxWatches": 1 })).await;
    let watch = world.events("/api/watch?keys=a").await;
    assert_eq!(world.get("/api/watch/prefix?prefix=a").await.error().0, 503);
    assert_eq!(world.get("/api/watch/prefix/poll?prefix=a").await.error().0, 503);
    drop(watch);
    buntime_testing::eventually("its place is free", async || {
        world.ask(Method::GET, "/api/watch?keys=a").send().await.unwrap().status() == 200
    })
    .await;
}

#[tokio::test]
async fn each_prefix_has_a_place_and_is_watched_once() {
    let world = World::with(json!({ "maxWatches": 4 })).await;
    assert_eq!(world.get("/api/watch/prefix?prefix=a,b,c,d,e").await.error().0, 503);
    let mut watch = world.events("/api/watch/prefix?prefix=a,b,a,b,a&initial=false").await;
    assert_eq!(world.get("/api/watch/prefix?prefix=a,b,c").await.error().0, 503);
    world.put("/api/keys/a/1", &json!(1)).await.ok();
    let event = watch.next("change").await;
    assert_eq!(seen(&event.json()), [(json!(["a", 1]), json!(1))]);
    let mut back = resumed(&world, "/api/watch/prefix?prefix=a,b,b", &event.id.unwrap()).await;
    assert_eq!(world.get("/api/watch?keys=a").await.error().0, 503);
    world.put("/api/keys/b/1", &json!(2)).await.ok();
    assert_eq!(seen(&back.next("change").await.json()), [(json!(["b", 1]), json!(2))]);
}

/// Whoever comes and goes knows in the end what there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_again_and_again_ends_with_the_last_state() {
    const KEYS: usize = 20;
    const WRITES: usize = 600;
    let world = World::with(json!({ "keepAlive": "1s" })).await;
    let writes = async {
        for n in 0..WRITES {
            // The same for everybody who runs this, and in no order.
            let key = (n * 7919) % KEYS;
            let path = format!("/api/keys/w/{key}");
            match n % 5 {
                0 => drop(world.delete(&path).await.ok()),
                1 => drop(world.put(&format!("{path}?expiresIn=3"), &json!(n)).await.ok()),
                _ => drop(world.put(&path, &json!(n)).await.ok()),
            }
        }
        world.put("/api/keys/w/end", &json!(true)).await.ok();
    };
    let watches = async {
        let mut known = std::collections::BTreeMap::<String, Value>::new();
        let (mut last, mut visits) = (None::<String>, 0);
        while known.get("[\"w\",\"end\"]") != Some(&json!(true)) {
            let path = "/api/watch/prefix?prefix=w&limit=3";
            let mut events = match &last {
                Some(id) => resumed(&world, path, id).await,
                None => world.events(path).await,
            };
            visits += 1;
            for _ in 0..(visits % 7) + 1 {
                let event = events.any().await.expect("it goes on until it is left");
                if event.name == "reset" {
                    known.clear();
                }
                if event.name == "change" {
                    known.extend(seen(&event.json()).into_iter().map(|(key, value)| (key.to_string(), value)));
                }
                last = event.id.or(last);
            }
        }
        // What expires after the end is told, too.
        let mut events = resumed(&world, "/api/watch/prefix?prefix=w", &last.expect("an id")).await;
        loop {
            known.retain(|_, value| !value.is_null());
            let there = seen(&world.get("/api/keys?prefix=w").await.ok());
            if known == there.into_iter().map(|(key, value)| (key.to_string(), value)).collect() {
                return visits;
            }
            let event = events.any().await.expect("it goes on");
            if event.name == "change" {
                known.extend(seen(&event.json()).into_iter().map(|(key, value)| (key.to_string(), value)));
            }
        }
    };
    let ((), visits) = futures_util::future::join(writes, watches).await;
    assert!(visits > 3, "{visits}");
}
