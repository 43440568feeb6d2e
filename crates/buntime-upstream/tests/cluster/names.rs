//! Names, and the addresses they stand for.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use buntime_core::{Clock, step::BoxFuture};
use buntime_testing::eventually;
use buntime_upstream::{Cluster, Surroundings, cluster::Resolve};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, get, nobody, open_in, request, send};

/// Knows one name.
#[derive(Default)]
struct Names {
    addresses: Mutex<Vec<SocketAddr>>,
    asked: AtomicUsize,
}

impl Names {
    fn set(&self, addresses: &[SocketAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }

    async fn asked_again(&self) {
        let before = self.asked.load(SeqCst);
        eventually("it is looked up again", async || self.asked.load(SeqCst) > before + 1).await;
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            assert_eq!((host, port), ("service.test", 8080));
            self.asked.fetch_add(1, SeqCst);
            let found = self.addresses.lock().unwrap().clone();
            if found.is_empty() { Err(io::Error::other("no such name")) } else { Ok(found) }
        })
    }
}

fn open(names: &Arc<Names>) -> Arc<Cluster> {
    let around = Surroundings::new(Clock::system(), CancellationToken::new()).with_resolver(Arc::clone(names) as _);
    let settings =
        json!({ "targets": [{ "url": "http://service.test:8080" }], "dns": { "refresh": "2ms" }, "retries": 0 });
    open_in(settings, &around, None)
}

async fn known(cluster: &Cluster, addresses: &[SocketAddr]) {
    let mut wanted: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    wanted.sort();
    eventually("the addresses are known", async || {
        let mut found = cluster.report().targets[0].addresses.clone();
        found.sort();
        found == wanted
    })
    .await;
}

#[tokio::test]
async fn requests_follow_a_name_to_its_addresses() {
    let (one, two) = (Backend::saying("one").await, Backend::saying("two").await);
    let names = Arc::new(Names::default());
    names.set(&[one.address(), two.address()]);
    let cluster = open(&names);
    known(&cluster, &[one.address(), two.address()]).await;
    for _ in 0..10 {
        get(&cluster).await.unwrap();
    }
    assert_eq!((one.hits(), two.hits()), (5, 5), "one after the other");
    names.set(&[two.address()]);
    known(&cluster, &[two.address()]).await;
    for _ in 0..10 {
        assert_eq!(get(&cluster).await.unwrap().1, "two");
    }
    eventually("nothing is kept open to the old address", async || one.open() == 0).await;
    names.set(&[]);
    names.asked_again().await;
    assert_eq!(get(&cluster).await.unwrap().1, "two", "the last addresses stay");
    names.set(&[one.address()]);
    known(&cluster, &[one.address()]).await;
    assert_eq!(get(&cluster).await.unwrap().1, "one");
}

#[tokio::test]
async fn an_address_where_nobody_listens_costs_no_request() {
    let good = Backend::saying("good").await;
    let dead: SocketAddr = nobody().await.trim_start_matches("http://").parse().unwrap();
    let names = Arc::new(Names::default());
    names.set(&[dead, good.address()]);
    let cluster = open(&names);
    known(&cluster, &[dead, good.address()]).await;
    for _ in 0..10 {
        assert_eq!(send(&cluster, request("POST", "/", "body")).await.unwrap().1, "good");
    }
    assert_eq!(cluster.report().targets[0].failures, 0);
}
