//! What several nodes share through Redis, and what happens when it is away.

use std::net::SocketAddr;

use super::{invalidation::post, *};
use crate::redis::{Server, free};

async fn node(address: SocketAddr) -> Host {
    start(json!({
        "cache": { "redis": true, "tags": ["site"] },
        "redis": { "url": format!("redis://{address}"), "timeout": "2s" },
    }))
    .await
}

async fn connected(host: &Host) -> bool {
    read(api(host, "GET", "/cache").await).await["caches"][0]["redis"]["connected"] == true
}

/// Waits until so many answers are in Redis.
async fn written(address: SocketAddr, count: usize) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(format!("redis://{address}")).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    eventually("it is written", || {
        let mut connection = connection.clone();
        async move {
            let answers: Vec<String> = redis::cmd("KEYS").arg("*:a:*").query_async(&mut connection).await.unwrap();
            let urls: Vec<String> = redis::cmd("KEYS").arg("*:u:*").query_async(&mut connection).await.unwrap();
            answers.len() >= count && !urls.is_empty()
        }
    })
    .await;
    connection
}

#[tokio::test]
async fn what_one_node_has_fetched_another_need_not() {
    let Some(server) = Server::start().await else { return };
    let (a, b) = (node(server.address()).await, node(server.address()).await);
    let varied = Origin::saying(&[("cache-control", "max-age=60"), ("vary", "x-kind"), ("x-odd", "\"a\\b\"")]);
    for kind in ["1", "2"] {
        let asked = get("/a?q").header("x-kind", kind);
        assert_eq!(ask(&a, &asked, &varied).await, pair("MISS", kind));
    }
    written(server.address(), 2).await;
    for kind in ["1", "2"] {
        let asked = get("/a?q").header("x-kind", kind);
        assert_eq!(ask(&b, &asked, &Origin::saying(&[])).await, pair("HIT", kind));
    }
    let hit = get("/a?q").header("x-kind", "1").answered(&b, varied.clone()).await;
    assert_eq!((header(&hit, "x-odd"), header(&hit, "x-cache")), ("\"a\\b\"", "HIT"));
    assert_eq!(ask(&b, &get("/a?q").header("x-kind", "3"), &varied).await.0, "MISS");
    let somebody = get("/a?q").header("x-kind", "1").header("authorization", "Bearer x");
    assert_eq!(ask(&b, &somebody, &varied).await.0, "MISS");
}

#[tokio::test]
async fn what_one_node_invalidates_all_forget() {
    let Some(server) = Server::start().await else { return };
    let (a, b) = (node(server.address()).await, node(server.address()).await);
    let old = Origin::saying(FRESH);
    for (at, what) in ["POST", "key", "tag", "all"].into_iter().enumerate() {
        let path = format!("/of-{at}");
        assert_eq!(ask(&a, &get(&path), &old).await.0, "MISS");
        eventually("the other has it", || async { ask(&b, &get(&path), &old).await.0 == "HIT" }).await;
        match what {
            "POST" => drop(ask(&a, &get(&path).method("POST"), &Origin::saying(&[])).await),
            "key" => drop(post(&a, &json!({ "key": path })).await),
            "tag" => drop(post(&a, &json!({ "tag": "site" })).await),
            _ => drop(post(&a, &json!({})).await),
        }
        eventually("the other has forgotten it, and Redis too", || async {
            let new = Origin::new(|_, _, _| Ok(said(&[], 99)));
            ask(&b, &get(&path), &new).await == pair("MISS", "99")
        })
        .await;
        let new = Origin::new(|_, _, _| Ok(said(&[], 99)));
        assert_eq!(ask(&a, &get(&path), &new).await, pair("MISS", "99"), "{what}");
    }
}

#[tokio::test]
async fn without_redis_it_is_a_cache_of_its_own_and_makes_up_for_it_later() {
    let address = free();
    let Some(server) = Server::start_at(address).await else { return };
    let (a, b) = (node(address).await, node(address).await);
    let origin = Origin::saying(FRESH);
    ask(&a, &get("/a"), &origin).await;
    eventually("the other has it", || async { ask(&b, &get("/a"), &origin).await.0 == "HIT" }).await;
    server.signal("-STOP");
    eventually("it is noticed", || async { !connected(&a).await && !connected(&b).await }).await;
    assert_eq!(ask(&a, &get("/b"), &origin).await.0, "MISS");
    assert_eq!(ask(&a, &get("/b"), &origin).await.0, "HIT");
    ask(&a, &get("/a").method("POST"), &Origin::saying(&[])).await;
    server.signal("-CONT");
    eventually("its return is noticed", || async { connected(&a).await && connected(&b).await }).await;
    eventually("what could not be told is told", || async {
        let new = Origin::new(|_, _, _| Ok(said(&[], 99)));
        ask(&b, &get("/a"), &new).await == pair("MISS", "99")
    })
    .await;
}

#[tokio::test]
async fn nonsense_in_redis_is_a_miss() {
    let Some(server) = Server::start().await else { return };
    let a = node(server.address()).await;
    let origin = Origin::saying(FRESH);
    ask(&a, &get("/a"), &origin).await;
    let mut connection = written(server.address(), 1).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    for key in keys.iter().filter(|key| !key.ends_with(":log")) {
        let _: () = redis::cmd("SET")
            .arg(key)
            .arg("\x01\x00\x00\x00\x02{}nonsense")
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    let b = node(server.address()).await;
    assert_eq!(ask(&b, &get("/a"), &origin).await, pair("MISS", "2"));
    written(server.address(), 2).await;
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    for key in keys.iter().filter(|key| !key.ends_with(":log")) {
        let _: u64 = redis::cmd("LPUSH").arg(key).arg("x").query_async(&mut connection).await.unwrap();
    }
    let c = node(server.address()).await;
    assert_eq!(ask(&c, &get("/a"), &origin).await, pair("MISS", "3"));
}
