//! The same on a libSQL server.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use buntime_database::{
    Adapter,
    libsql::{Libsql, Options},
    testing::LibsqlServer,
};

use crate::{everything, place::Place};

/// A namespace of its own for each place.
pub(crate) struct Tenants {
    pub(crate) server: LibsqlServer,
    at: AtomicUsize,
}

impl Tenants {
    pub(crate) async fn start() -> Option<Self> {
        Some(Self { server: LibsqlServer::start().await?, at: AtomicUsize::new(0) })
    }

    pub(crate) async fn tenant(&self) -> Options {
        let tenant = format!("t{}", self.at.fetch_add(1, Ordering::Relaxed));
        let options = Options::new(vec![self.server.url()]).with_admin(self.server.admin_url(), None);
        assert!(Libsql::create_tenant(&options, &tenant).await.unwrap());
        options.with_tenant(tenant)
    }

    async fn place(&self) -> Place {
        let options = self.tenant().await;
        Place::of(Box::new(move || {
            let options = options.clone();
            Box::pin(async move { Arc::new(Libsql::open(options).await.unwrap()) as Arc<dyn Adapter> })
        }))
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_holds_there_too() {
    let Some(tenants) = Tenants::start().await else { return };
    everything::everything_holds_in(|| tenants.place()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_holds_for_many_there_too() {
    let Some(tenants) = Tenants::start().await else { return };
    everything::it_holds_for_many_in(|| tenants.place()).await;
}
