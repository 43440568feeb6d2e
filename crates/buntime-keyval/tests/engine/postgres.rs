//! The same on PostgreSQL.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use buntime_database::{
    Adapter, args,
    postgres::{Options, Postgres},
    testing::PostgresServer,
};

use crate::{everything, place::Place};

/// A schema of its own for each place.
pub(crate) struct Schemas {
    pub(crate) server: PostgresServer,
    at: AtomicUsize,
}

impl Schemas {
    pub(crate) async fn start() -> Option<Self> {
        Some(Self { server: PostgresServer::start().await?, at: AtomicUsize::new(0) })
    }

    pub(crate) async fn schema(&self) -> Options {
        let schema = format!("s{}", self.at.fetch_add(1, Ordering::Relaxed));
        let options = Options::from_url(&self.server.url()).unwrap();
        let public = Postgres::open(options.clone()).await.unwrap();
        public.execute(&format!("CREATE SCHEMA {schema}"), args![]).await.unwrap();
        public.close().await;
        options.with_schema(schema)
    }

    async fn place(&self) -> Place {
        let options = self.schema().await;
        Place::of(Box::new(move || {
            let options = options.clone();
            Box::pin(async move { Arc::new(Postgres::open(options).await.unwrap()) as Arc<dyn Adapter> })
        }))
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_holds_there_too() {
    let Some(schemas) = Schemas::start().await else { return };
    everything::everything_holds_in(|| schemas.place()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_holds_for_many_there_too() {
    let Some(schemas) = Schemas::start().await else { return };
    everything::it_holds_for_many_in(|| schemas.place()).await;
}
