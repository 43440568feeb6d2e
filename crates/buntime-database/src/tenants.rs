//! Tenants: databases of their own behind one adapter. SQLite has a file for each, libSQL a namespace, PostgreSQL a schema.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::Mutex;

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
    /// In the order of their last use.
    open: Mutex<Vec<(TenantName, Arc<dyn Adapter>)>>,
    most: usize,
    closed: AtomicBool,
}

impl Tenants {
    /// Open at once, by default.
    pub const MOST_OPEN: usize = 64;

    pub(crate) fn new(keeps: impl Keeps) -> Self {
        Self { keeps: Box::new(keeps), open: Mutex::default(), most: Self::MOST_OPEN, closed: AtomicBool::new(false) }
    }

    /// At most so many open at once, at least one.
    #[must_use]
    pub fn with_most_open(mut self, most: usize) -> Self {
        self.most = most.max(1);
        self
    }

    /// Makes one; `false` if it is there already.
    ///
    /// # Errors
    /// The engine's.
    pub async fn create(&self, name: &TenantName) -> Result<bool> {
        self.keeps.create(name).await
    }

    /// Deletes one with all that is in it; `false` if there is none. Whoever has it open is told that it is closed.
    ///
    /// # Errors
    /// The engine's.
    pub async fn delete(&self, name: &TenantName) -> Result<bool> {
        let mut open = self.open.lock().await;
        if let Some(at) = open.iter().position(|(known, _)| known == name) {
            let (_, adapter) = open.remove(at);
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
        let mut open = self.open.lock().await;
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        if let Some(at) = open.iter().position(|(known, _)| known == name) {
            let found = open.remove(at);
            let adapter = Arc::clone(&found.1);
            open.push(found);
            return Ok(adapter);
        }
        let adapter = self.keeps.open(name).await?;
        if open.len() >= self.most {
            // Whoever uses it goes on; with the last of them it ends.
            open.remove(0);
        }
        open.push((name.clone(), Arc::clone(&adapter)));
        Ok(adapter)
    }

    /// Closes those that are open.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for (_, adapter) in self.open.lock().await.drain(..) {
            adapter.close().await;
        }
    }
}

pub(crate) fn no_such(name: &TenantName) -> Error {
    Error::new(ErrorKind::NoTenant, format!("there is no tenant `{}`; create it first", name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
