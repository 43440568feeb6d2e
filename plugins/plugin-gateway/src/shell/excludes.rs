//! Which first segments of paths are never the shell's: those of the settings, and those an operator has added, kept in the
//! default database and shared by its nodes.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use buntime_core::{BoxError, PluginContext};
use buntime_database::{Adapter, Migration, args};
use tokio::sync::Mutex as Turn;

/// Most names, of settings and added.
pub(crate) const MOST: usize = 1_000;
/// How often it is looked for what other nodes have changed.
const LOOKED: Duration = Duration::from_secs(3);

const MIGRATIONS: [(&str, &str); 1] =
    [("0001-excludes", "CREATE TABLE gateway_shell_excludes (basename TEXT NOT NULL PRIMARY KEY)")];

/// See the module.
pub(crate) struct Excludes {
    configured: BTreeSet<String>,
    added: Arc<Added>,
    database: Option<Arc<dyn Adapter>>,
}

/// Those an operator has added: they outlive instances.
#[derive(Default)]
pub(crate) struct Added {
    now: ArcSwap<HashSet<String>>,
    turn: Turn<bool>,
    failing: Mutex<bool>,
}

/// What was added, and the database that keeps it.
type Kept = (Arc<Added>, Option<Arc<dyn Adapter>>);

/// Who excludes a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The settings.
    Environment,
    /// An operator.
    Added,
}

impl Source {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "env",
            Self::Added => "keyval",
        }
    }
}

/// Why a name is not added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{MOST} names are the most; remove one")]
    TooMany,
    #[error(transparent)]
    Database(#[from] BoxError),
}

impl Excludes {
    /// Those of settings, and what is in the database once [`Self::follow`] has read it.
    pub(crate) fn new(configured: &[String], kept: Option<Kept>) -> Self {
        let (added, database) = kept.unwrap_or_default();
        Self { configured: configured.iter().cloned().collect(), added, database }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.configured.contains(name) || self.added.now.load().contains(name)
    }

    pub(crate) fn is_configured(&self, name: &str) -> bool {
        self.configured.contains(name)
    }

    /// Does an addition survive a restart?
    pub(crate) fn is_kept(&self) -> bool {
        self.database.is_some()
    }

    /// Every name and who excludes it.
    pub(crate) fn all(&self) -> BTreeMap<String, Source> {
        let mut all: BTreeMap<_, _> = self.added.now.load().iter().map(|name| (name.clone(), Source::Added)).collect();
        all.extend(self.configured.iter().map(|name| (name.clone(), Source::Environment)));
        all
    }

    /// Adds a name; false if it was there.
    pub(crate) async fn add(&self, name: &str) -> Result<bool, Refused> {
        let mut ready = self.added.turn.lock().await;
        let mut names = self.added.now.load().as_ref().clone();
        if names.contains(name) {
            return Ok(false);
        }
        if names.len() + self.configured.len() >= MOST {
            return Err(Refused::TooMany);
        }
        if let Some(database) = &self.database {
            prepare(&**database, &mut ready).await?;
            let sql = "INSERT INTO gateway_shell_excludes (basename) VALUES (?1) ON CONFLICT (basename) DO NOTHING";
            database.execute(sql, args![name]).await.map_err(BoxError::from)?;
        }
        names.insert(name.to_owned());
        self.added.now.store(Arc::new(names));
        Ok(true)
    }

    /// Removes a name that was added; false if there was none.
    pub(crate) async fn remove(&self, name: &str) -> Result<bool, BoxError> {
        let mut ready = self.added.turn.lock().await;
        if let Some(database) = &self.database {
            prepare(&**database, &mut ready).await?;
            database.execute("DELETE FROM gateway_shell_excludes WHERE basename = ?1", args![name]).await?;
        }
        let mut names = self.added.now.load().as_ref().clone();
        let removed = names.remove(name);
        self.added.now.store(Arc::new(names));
        Ok(removed)
    }

    /// Reads what is kept.
    pub(crate) async fn read(&self) -> Result<(), BoxError> {
        let Some(database) = &self.database else { return Ok(()) };
        let mut ready = self.added.turn.lock().await;
        prepare(&**database, &mut ready).await?;
        let sql = "SELECT basename FROM gateway_shell_excludes ORDER BY basename LIMIT ?1";
        let rows = database.query(sql, args![i64::try_from(MOST)?]).await?;
        let names = rows.iter().map(|row| row.at::<String>(0)).collect::<Result<HashSet<_>, _>>()?;
        if names != **self.added.now.load() {
            self.added.now.store(Arc::new(names));
        }
        Ok(())
    }

    /// Reads what other nodes change, until the instance ends.
    pub(crate) async fn follow(&self, context: &PluginContext) {
        if self.database.is_none() {
            return;
        }
        loop {
            tokio::select! {
                () = context.cancelled().cancelled() => return,
                () = tokio::time::sleep(LOOKED) => {}
            }
            let read = self.read().await;
            let mut failing = self.added.failing.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Err(error), false) = (&read, *failing) {
                tracing::warn!("what the shell is not for cannot be read; it stays as it was: {error}");
            }
            *failing = read.is_err();
        }
    }
}

async fn prepare(database: &dyn Adapter, ready: &mut bool) -> Result<(), BoxError> {
    if !*ready {
        database.migrate("plugin-gateway-shell", &MIGRATIONS.map(|(id, sql)| Migration::new(id, sql))).await?;
        *ready = true;
    }
    Ok(())
}
