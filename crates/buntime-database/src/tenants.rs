//! Tenants: databases of their own behind one adapter. SQLite has a file for each, libSQL a namespace, PostgreSQL a schema.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

use crate::{Adapter, Error, ErrorKind, Result};

/// A tenant's name: `[a-z0-9][a-z0-9_-]{0,62}`. What is made of it, a file's name, a label of a host, a schema, cannot
/// lead anywhere else.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantName(String);

impl TenantName {
    /// Checks it.
    ///
    /// # Errors
    /// [`ErrorKind::Argument`], which says what a name is.
    pub fn new(name: &str) -> Result<Self> {
        let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good =
            name.starts_with(first) && name.len() <= 63 && name.chars().all(|c| first(c) || c == '_' || c == '-');
        if good {
            return Ok(Self(name.to_owned()));
        }
        let what = "a tenant's name has 1 to 63 characters a-z, 0-9, `_` and `-`, and begins with a letter or a digit";
        Err(Error::new(ErrorKind::Argument, what))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How an engine keeps tenants.
#[async_trait]
pub(crate) trait Keeps: Send + Sync + fmt::Debug + 'static {
    /// `false`: it was there.
    async fn create(&self, name: &TenantName) -> Result<bool>;
    /// With all that is in it. `false`: there was none.
    async fn delete(&self, name: &TenantName) -> Result<bool>;
    async fn list(&self) -> Result<Vec<String>>;
    async fn open(&self, name: &TenantName) -> Result<Arc<dyn Adapter>>;
}

/// The tenants of one adapter. At most so many are open at once; the one that was used longest ago goes first.
#[derive(Debug)]
pub struct Tenants {
    keeps: Box<dyn Keeps>,
    table: Mutex<Table>,
    most: usize,
}

/// Where a tenant's adapter is, once it is open. Whoever opens, makes or deletes the tenant holds it meanwhile, and nobody
/// waits for that but who wants the same tenant.
type Place = Arc<tokio::sync::Mutex<Option<Arc<dyn Adapter>>>>;

#[derive(Debug, Default)]
struct Table {
    /// In the order of their last use.
    places: Vec<(TenantName, Place)>,
    /// All that were opened and are used still, those that were pushed out of their places, too.
    used: Vec<(TenantName, Weak<dyn Adapter>)>,
    closed: bool,
}

impl Table {
    /// The place of that tenant, as the one used last. Where there are too many, one that nobody holds goes.
    fn place(&mut self, name: &TenantName, most: usize) -> Place {
        let found = match self.places.iter().position(|(known, _)| known == name) {
            Some(at) => self.places.remove(at),
            None => {
                let idle = |(_, place): &(TenantName, Place)| place.try_lock().is_ok();
                if self.places.len() >= most
                    && let Some(at) = self.places.iter().position(idle)
                {
                    // Whoever uses it goes on; with the last of them it ends.
                    self.places.remove(at);
                }
                (name.clone(), Place::default())
            }
        };
        let place = Arc::clone(&found.1);
        self.places.push(found);
        place
    }

    fn has(&self, place: &Place) -> bool {
        self.places.iter().any(|(_, known)| Arc::ptr_eq(known, place))
    }

    /// The one of that tenant that is used still.
    fn used(&self, name: &TenantName) -> Option<Arc<dyn Adapter>> {
        self.used.iter().filter(|(known, _)| known == name).find_map(|(_, used)| used.upgrade())
    }

    /// Those of that tenant, or of all, that are used still.
    fn take_used(&mut self, name: Option<&TenantName>) -> Vec<Arc<dyn Adapter>> {
        let is = |known: &TenantName| name.is_none_or(|name| name == known);
        self.used.extract_if(.., |(known, _)| is(known)).filter_map(|(_, used)| used.upgrade()).collect()
    }
}

/// A place that is held. One with nothing in it is given up with it.
struct Held<'a> {
    table: &'a Mutex<Table>,
    adapter: OwnedMutexGuard<Option<Arc<dyn Adapter>>>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.adapter.is_none() {
            let place = OwnedMutexGuard::mutex(&self.adapter);
            lock(self.table).places.retain(|(_, known)| !Arc::ptr_eq(known, place));
        }
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tenants {
    /// Open at once, by default.
    pub const MOST_OPEN: usize = 64;

    pub(crate) fn new(keeps: impl Keeps) -> Self {
        Self { keeps: Box::new(keeps), table: Mutex::default(), most: Self::MOST_OPEN }
    }

    /// At most so many open at once, at least one.
    #[must_use]
    pub fn with_most_open(mut self, most: usize) -> Self {
        self.most = most.max(1);
        self
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// The place of a tenant, which nobody else has meanwhile.
    async fn hold(&self, name: &TenantName) -> Held<'_> {
        loop {
            let place = self.table().place(name, self.most);
            let adapter = Arc::clone(&place).lock_owned().await;
            // While it was waited for, it may have been given up.
            if self.table().has(&place) {
                return Held { table: &self.table, adapter };
            }
        }
    }

    /// Makes one; `false` if it is there already.
    ///
    /// # Errors
    /// The engine's.
    pub async fn create(&self, name: &TenantName) -> Result<bool> {
        let _held = self.hold(name).await;
        self.keeps.create(name).await
    }

    /// Deletes one with all that is in it; `false` if there is none. Whoever has it open is told that it is closed.
    ///
    /// # Errors
    /// The engine's.
    pub async fn delete(&self, name: &TenantName) -> Result<bool> {
        let mut held = self.hold(name).await;
        *held.adapter = None;
        let used = self.table().take_used(Some(name));
        for adapter in used {
            adapter.close().await;
        }
        self.keeps.delete(name).await
    }

    /// The names of all, in order.
    ///
    /// # Errors
    /// The engine's.
    pub async fn list(&self) -> Result<Vec<String>> {
        let mut names = self.keeps.list().await?;
        names.sort();
        Ok(names)
    }

    /// The database of one.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if there is none of that name; otherwise why it cannot be opened.
    pub async fn open(&self, name: &TenantName) -> Result<Arc<dyn Adapter>> {
        let mut held = self.hold(name).await;
        if self.table().closed {
            return Err(Error::closed());
        }
        if let Some(adapter) = &*held.adapter {
            return Ok(Arc::clone(adapter));
        }
        // One that was pushed out may be used still.
        let used = self.table().used(name);
        let adapter = match used {
            Some(adapter) => adapter,
            None => self.opened(name).await?,
        };
        *held.adapter = Some(Arc::clone(&adapter));
        Ok(adapter)
    }

    async fn opened(&self, name: &TenantName) -> Result<Arc<dyn Adapter>> {
        let adapter = self.keeps.open(name).await?;
        if self.note(name, &adapter) {
            return Ok(adapter);
        }
        adapter.close().await;
        Err(Error::closed())
    }

    /// Notes that it was opened; `false` if all are closed by now.
    fn note(&self, name: &TenantName, adapter: &Arc<dyn Adapter>) -> bool {
        let mut table = self.table();
        table.used.retain(|(_, used)| used.strong_count() > 0);
        table.used.push((name.clone(), Arc::downgrade(adapter)));
        !table.closed
    }

    /// Closes those that are open.
    pub async fn close(&self) {
        let used = {
            let mut table = self.table();
            table.closed = true;
            table.take_used(None)
        };
        for adapter in used {
            adapter.close().await;
        }
        self.table().places.clear();
    }
}

pub(crate) fn no_such(name: &TenantName) -> Error {
    Error::new(ErrorKind::NoTenant, format!("there is no tenant `{}`; create it first", name.as_str()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt, future::join_all};
    use tokio::sync::Notify;

    use super::*;
    use crate::sqlite::{Options, Sqlite};

    /// Tenants in memory. That of the name `slow` waits to be let.
    #[derive(Debug, Default)]
    struct Kept {
        let_slow: Arc<Notify>,
        opened: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Keeps for Kept {
        async fn create(&self, _: &TenantName) -> Result<bool> {
            Ok(true)
        }

        async fn delete(&self, _: &TenantName) -> Result<bool> {
            Ok(true)
        }

        async fn list(&self) -> Result<Vec<String>> {
            Ok(Vec::new())
        }

        async fn open(&self, name: &TenantName) -> Result<Arc<dyn Adapter>> {
            self.opened.fetch_add(1, Ordering::Relaxed);
            if name.as_str() == "slow" {
                self.let_slow.notified().await;
            }
            Ok(Arc::new(Sqlite::open(Options::memory()).await?))
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_another_tenant() {
        let kept = Kept::default();
        let (let_slow, opened) = (Arc::clone(&kept.let_slow), Arc::clone(&kept.opened));
        let tenants = Tenants::new(kept).with_most_open(2);
        let [slow, a, b] = ["slow", "a", "b"].map(|name| TenantName::new(name).unwrap());
        let mut waiting = Box::pin(join_all((0..3).map(|_| tenants.open(&slow))));
        assert!((&mut waiting).now_or_never().is_none());
        // Others come and go; the one that is being opened keeps its place.
        let first = tenants.open(&a).await.unwrap();
        tenants.open(&b).await.unwrap();
        assert!(Arc::ptr_eq(&first, &tenants.open(&a).await.unwrap()), "it is used still, and is there once");
        tenants.delete(&b).await.unwrap();
        let_slow.notify_one();
        let slow = waiting.await.into_iter().collect::<Result<Vec<_>>>().unwrap();
        assert!(slow.iter().all(|one| Arc::ptr_eq(one, &slow[0])));
        assert_eq!(opened.load(Ordering::Relaxed), 3, "each once");
        assert!(tenants.table().places.len() <= 2);
    }

    #[test]
    fn names() {
        for name in ["a", "0", "acme-1_x", &"a".repeat(63)] {
            assert_eq!(TenantName::new(name).unwrap().as_str(), name);
        }
        for name in ["", "-a", "_a", "A", "a.b", "../a", "a/b", "a\0", "é", "a b", &"a".repeat(64)] {
            assert_eq!(TenantName::new(name).unwrap_err().kind(), ErrorKind::Argument, "{name}");
        }
    }
}
