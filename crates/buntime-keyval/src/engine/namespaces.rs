//! Which namespaces there are, and how one is opened.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use buntime_database::args;

use super::{Engine, Inner, Namespace, Quota, index, row};
use crate::{Error, Limits, Result};

/// Those that were opened, by name: few, and asked for by each request.
pub(super) type Known = ArcSwap<HashMap<Arc<str>, Opened>>;

/// A namespace's number and what is declared in it, its quota too, which all that have it share.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    id: i64,
    name: Arc<str>,
    declared: Arc<ArcSwap<index::Declared>>,
}

/// A namespace that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceInfo {
    /// Its name.
    pub name: String,
    /// What it may hold, if that is limited.
    pub quota: Option<Quota>,
}

impl Engine {
    /// The namespace of that name, made if need be; `limits` are those of whoever asks.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is not `[a-z0-9][a-z0-9_-]{0,62}`, [`Error::Quota`] for one namespace too many;
    /// the database's.
    pub async fn namespace(&self, name: &str, limits: impl Into<Arc<Limits>>) -> Result<Namespace> {
        let limits = limits.into();
        if let Some(there) = self.existing(name, Arc::clone(&limits)).await? {
            return Ok(there);
        }
        self.0.make_namespace(name).await?;
        let full = || Error::Quota(format!("There are {} namespaces already", self.0.options.namespaces).into());
        self.existing(name, limits).await?.ok_or_else(full)
    }

    /// The namespace of that name, if it was made; for who only reads.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that none can have; the database's.
    pub async fn existing(&self, name: &str, limits: impl Into<Arc<Limits>>) -> Result<Option<Namespace>> {
        let limits = limits.into();
        if let Some(there) = self.0.namespaces.load().get(name) {
            return Ok(Some(there.with(&self.0, limits)));
        }
        let Some(there) = self.0.open_namespace(name).await? else { return Ok(None) };
        self.0.namespaces.rcu(|known| {
            let mut known = HashMap::clone(known);
            // Whoever came first: what is declared is known to all of them together.
            known.entry(Arc::clone(&there.name)).or_insert_with(|| there.clone());
            known
        });
        Ok(self.0.namespaces.load().get(name).map(|there| there.with(&self.0, limits)))
    }

    /// All of them, by their names.
    ///
    /// # Errors
    /// The database's.
    pub async fn namespaces(&self) -> Result<Vec<NamespaceInfo>> {
        let all = "SELECT name, max_entries, max_bytes FROM kv_namespaces ORDER BY name";
        let rows = self.0.database.query(all, args![]).await?;
        let info = |row: buntime_database::Row<'_>| {
            Ok(NamespaceInfo { name: row.at(0)?, quota: Quota::of(row.at(1)?, row.at(2)?) })
        };
        rows.iter().map(info).collect()
    }
}

impl Opened {
    fn with(&self, engine: &Arc<Inner>, limits: Arc<Limits>) -> Namespace {
        let Self { id, name, declared } = self;
        let (name, declared) = (Arc::clone(name), Arc::clone(declared));
        Namespace { engine: Arc::clone(engine), id: *id, name, limits, declared }
    }
}

impl Inner {
    async fn open_namespace(&self, name: &str) -> Result<Option<Opened>> {
        check_name(name)?;
        let rows = self.database.query("SELECT id FROM kv_namespaces WHERE name = ?1", args![name]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id: i64 = row.at(0)?;
        let declared = index::Declared::read(&self.database.query(&index::of_namespace(), args![id]).await?)?;
        Ok(Some(Opened { id, name: name.into(), declared: Arc::new(ArcSwap::from_pointee(declared)) }))
    }

    /// Makes it, unless there are too many already.
    async fn make_namespace(&self, name: &str) -> Result<()> {
        let most = row::signed(self.options.namespaces as u64);
        let add = "INSERT INTO kv_namespaces (name) SELECT ?1 WHERE (SELECT count(*) FROM kv_namespaces) < ?2 \
                   ON CONFLICT (name) DO NOTHING";
        self.database.execute(add, args![name, most]).await?;
        Ok(())
    }
}

fn check_name(name: &str) -> Result<()> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let rest = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
    if first && rest && name.len() <= 63 {
        return Ok(());
    }
    Err(Error::Invalid(
        "A namespace is named by up to 63 lower-case letters, digits, `-` and `_`, a letter or digit first".into(),
    ))
}
