//! One program for a store in this process and for one elsewhere:
//! `cargo run -p buntime-keyval --features remote --example keyval-store`, or with a runner that serves,
//! `KV_URL=http://127.0.0.1:8000/p/keyval KV_TOKEN=… cargo run -p buntime-keyval --features remote --example keyval-store`.

use std::{sync::Arc, time::Duration};

use buntime_database::sqlite::{Options as File, Sqlite};
use buntime_keyval::{Atomic, Engine, Message, Options, Selector, Store, Value, key};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct User {
    name: String,
    born: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Ok(url) = std::env::var("KV_URL") else {
        let engine = Engine::open(Arc::new(Sqlite::open(File::memory()).await?), Options::default()).await?;
        run(Store::in_engine(&engine).await?).await?;
        engine.close().await;
        return Ok(());
    };
    let token = std::env::var("KV_TOKEN").unwrap_or_else(|_| "none".to_owned());
    run(Store::connect(&url, &token).await?).await
}

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn run(store: Store) -> Result<(), Box<dyn std::error::Error>> {
    // Typed values, and a write that happens whole or not at all.
    let ada = User { name: "Ada".into(), born: 1815 };
    let seen = store.get(&key!["users", "ada"]).await?.map(|entry| entry.versionstamp);
    let write = Atomic::new()
        .check(key!["users", "ada"], seen)
        .set(key!["users", "ada"], Value::of(&ada)?)
        .sum(key!["writes"], 1);
    println!("written as {:?}", store.commit(write).await?.versionstamp());

    // A list, as a stream.
    let mut users = std::pin::pin!(store.list(Selector::prefix(key!["users"])).stream());
    while let Some(entry) = users.try_next().await? {
        println!("{:?}: {:?}", entry.key, entry.to::<User>()?);
    }

    // A watch: first how it is, then whenever it changes.
    let mut watch = std::pin::pin!(store.watch(vec![key!["writes"]])?);
    for _ in 0..2 {
        if let Some(told) = watch.next().await {
            println!("now: {:?}", told?.first().and_then(|(_, entry)| entry.as_ref().map(|entry| entry.value.clone())));
        }
        store.write(Atomic::new().sum(key!["writes"], 1)).await?;
    }

    // A queue: what is not finished in time comes again.
    store.enqueue(Message::new(Value::of("print the invoice")?).to("printer")).await?;
    let got = store.receive("printer", 10, Duration::from_secs(30)).await?;
    for message in &got {
        println!("to do: {}", message.payload.to::<String>()?);
    }
    store.finish(&got).await?;
    Ok(())
}
