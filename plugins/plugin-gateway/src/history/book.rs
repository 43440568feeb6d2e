//! Samples in the database: rows of this node, and no more than are kept.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use buntime_core::{BoxError, Clock, PluginContext};
use buntime_database::{Adapter, Migration, Statement, args};

use super::Sample;
use crate::limits::{key::hex, time::of_day};

const MIGRATIONS: [(&str, &str); 1] = [(
    "0001-history",
    "CREATE TABLE gateway_history (
        node TEXT NOT NULL, at BIGINT NOT NULL, sample TEXT NOT NULL, PRIMARY KEY (node, at)
    )",
)];
/// How many rows one transaction writes.
const BATCH: usize = 500;
/// Rows of nodes that are gone are deleted after so many milliseconds.
const GONE: i64 = 31 * 24 * 3_600_000;

const INSERT: &str =
    "INSERT INTO gateway_history (node, at, sample) VALUES (?1, ?2, ?3) ON CONFLICT (node, at) DO NOTHING";
const SELECT: &str = "SELECT sample FROM gateway_history WHERE node = ?1 ORDER BY at DESC LIMIT ?2";
const TRIM: &str = "DELETE FROM gateway_history WHERE node = ?1 AND at <=
    (SELECT at FROM gateway_history WHERE node = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)";

/// See the module.
pub(super) struct Book {
    database: Arc<dyn Adapter>,
    clock: Clock,
    node: String,
    most: usize,
    read: bool,
    failing: bool,
}

impl Book {
    pub(super) fn new(database: Arc<dyn Adapter>, context: &PluginContext, most: usize) -> Self {
        // Without a directory of its own this is the only program.
        let node = context.data_dir().ok().and_then(|dir| node(dir).ok()).unwrap_or_else(|| "-".to_owned());
        let clock = context.clock().clone();
        Self { database, clock, node, most, read: false, failing: false }
    }

    /// Writes what is new, and returns what an earlier run has left, the oldest first, once.
    pub(super) async fn write(&mut self, unwritten: &Mutex<VecDeque<Sample>>) -> Option<Vec<Sample>> {
        let written = self.try_write(unwritten).await;
        match &written {
            Ok(_) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!("the history cannot be written; it is kept in memory: {error}");
            }
            Err(_) => {}
        }
        written.ok().flatten()
    }

    async fn try_write(&mut self, unwritten: &Mutex<VecDeque<Sample>>) -> Result<Option<Vec<Sample>>, BoxError> {
        let queue = || unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = if self.read { None } else { Some(self.read().await?) };
        self.read = true;
        loop {
            let batch: Vec<Sample> = queue().iter().take(BATCH).cloned().collect();
            let Some(last) = batch.last() else { break };
            let mut statements = Vec::with_capacity(batch.len());
            for sample in &batch {
                statements.push(Statement::new(INSERT, args![&self.node, sample.at, serde_json::to_string(sample)?]));
            }
            self.database.transaction(statements).await?;
            // The oldest may have been dropped meanwhile.
            let mut queue = queue();
            while queue.front().is_some_and(|first| first.at <= last.at) {
                queue.pop_front();
            }
        }
        self.trim().await?;
        Ok(earlier)
    }

    async fn read(&self) -> Result<Vec<Sample>, BoxError> {
        let migrations = MIGRATIONS.map(|(id, sql)| Migration::new(id, sql));
        self.database.migrate("plugin-gateway-history", &migrations).await?;
        let rows = self.database.query(SELECT, args![&self.node, i64::try_from(self.most)?]).await?;
        let texts = rows.iter().map(|row| row.at::<String>(0)).collect::<Result<Vec<_>, _>>()?;
        // One that another version wrote differently is left out.
        Ok(texts.iter().rev().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    async fn trim(&self) -> Result<(), BoxError> {
        let now = i64::try_from(of_day(self.clock.wall()) / 1_000_000)?;
        let gone = "DELETE FROM gateway_history WHERE node <> ?1 AND at < ?2";
        let trim = vec![
            Statement::new(TRIM, args![&self.node, i64::try_from(self.most)?]),
            Statement::new(gone, args![&self.node, now.saturating_sub(GONE)]),
        ];
        self.database.transaction(trim).await?;
        Ok(())
    }

    /// Deletes this node's rows.
    pub(super) async fn clear(&mut self) -> Result<(), BoxError> {
        if !self.read {
            self.read().await?;
            self.read = true;
        }
        self.database.execute("DELETE FROM gateway_history WHERE node = ?1", args![&self.node]).await?;
        Ok(())
    }
}

/// The name of this node among those that share a database: made once, kept in its directory.
fn node(dir: &Path) -> Result<String, BoxError> {
    let file = dir.join("node");
    if let Ok(known) = fs::read_to_string(&file)
        && !known.trim().is_empty()
    {
        return Ok(known.trim().to_owned());
    }
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    let made = hex(&bytes);
    fs::write(&file, &made)?;
    Ok(made)
}
