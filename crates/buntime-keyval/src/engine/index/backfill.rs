//! Putting into an index what was there before it, and taking out what a removed one had: in small parts, each one
//! commit, so that writers wait for one part at most and what is half done when a process ends is gone on with by the next.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use buntime_database::{ErrorKind, Next, Outcome, Plan, Statement, args};
use tokio::sync::{Notify, futures::Notified};

use super::{
    IndexKind, IndexState,
    declare::another_shape,
    declared::{Declared, Live, of_index},
    maintain::{Documents, Numbers, Written},
};
use crate::{
    Entry, Error, Key, Result, Selector,
    engine::{
        Inner,
        refusal::{self, Refusal},
        row::{ENTRY, entry, signed},
        sweep::Ended,
    },
};

/// Entries of a part, and bytes of their values from which on it is large enough.
const ENTRIES: i64 = 200;
const BYTES: usize = 256 << 10;
/// Entries that are counted at a time.
const COUNTED: i64 = 1000;
/// How long until it is looked whether another process left something half done.
const LOOK: Duration = Duration::from_secs(60);

/// Those who wait for indexes to be built, and the task that does it.
#[derive(Debug, Default)]
pub(in crate::engine) struct Builders {
    wake: Arc<Notify>,
    changed: Notify,
}

impl Builders {
    /// There is something to do.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Ends when an index may be in another state.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub(in crate::engine) fn start(engine: &Arc<Inner>) {
        let (weak, wake) = (Arc::downgrade(engine), Arc::clone(&engine.builders.wake));
        engine.tasks.start(|ended| run(weak, wake, ended));
    }
}

async fn run(engine: Weak<Inner>, wake: Arc<Notify>, mut ended: Ended) {
    loop {
        let more = {
            let Some(engine) = engine.upgrade() else { return };
            engine.build_some().await
        };
        match more {
            // One part after the other, between which writers get their turn.
            Ok(true) => tokio::select! {
                biased;
                () = ended.wait() => return,
                () = tokio::task::yield_now() => continue,
            },
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "an index could not be built further; it is tried again"),
        }
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = ended.wait() => return,
        }
    }
}

impl Inner {
    /// A part of everything that is to be done; is there more?
    async fn build_some(&self) -> Result<bool> {
        let sql = "SELECT id, state FROM kv_indexes WHERE state IN ('building', 'removing') ORDER BY id";
        let rows = self.database.query(sql, args![]).await?;
        let mut more = false;
        for row in rows.iter() {
            let (id, state): (i64, String) = (row.at(0)?, row.at(1)?);
            more |= if state == "building" { self.build(id).await? } else { self.clear(id).await? };
        }
        Ok(more)
    }

    /// Puts the next part of what is there into an index; is there more?
    pub(super) async fn build(&self, id: i64) -> Result<bool> {
        let mut most = ENTRIES;
        loop {
            let plan = Arc::new(BuildPlan { id, most, now: self.clock.now() });
            match self.database.planned(plan).await {
                Ok(done) => {
                    self.builders.changed.notify_waiters();
                    return Ok(done.committed && self.is_building(id).await?);
                }
                Err(error) if error.kind() == ErrorKind::TooBig && most > 1 => most = (most / 8).max(1),
                Err(error) => return Err(refusal::own(error)),
            }
        }
    }

    async fn is_building(&self, id: i64) -> Result<bool> {
        let sql = "SELECT 1 FROM kv_indexes WHERE id = ?1 AND state = 'building'";
        Ok(!self.database.query(sql, args![id]).await?.is_empty())
    }

    /// Takes out a part of what a removed index had; is there more?
    async fn clear(&self, id: i64) -> Result<bool> {
        let done = self.database.planned(Arc::new(ClearPlan(id))).await?;
        Ok(done.outcomes.len() <= ClearPlan::STATEMENTS)
    }
}

#[derive(Debug)]
struct BuildPlan {
    id: i64,
    most: i64,
    now: u64,
}

/// What was found for one part.
struct Part {
    entries: Vec<Entry>,
    /// Nothing comes after it.
    last: bool,
}

impl BuildPlan {
    fn next_part(&self, index: &Live) -> Result<Statement> {
        let (first, end) = Selector::prefix(index.info.index.prefix.clone()).bounds()?;
        // The reached key itself was done.
        let from = index.reached.as_ref().map_or(first, |reached| [reached.as_bytes(), &[0]].concat());
        if index.info.index.kind == IndexKind::Count {
            // Those that have expired count until they are swept away: see `count`.
            let sql = "SELECT key FROM kv_entries WHERE ns = ?1 AND key >= ?2 AND key < ?3 ORDER BY key LIMIT ?4";
            return Ok(Statement::new(sql, args![index.ns, from, end, COUNTED]));
        }
        let sql = format!(
            "SELECT {ENTRY} FROM kv_entries WHERE ns = ?1 AND key >= ?2 AND key < ?3 \
             AND (expires_at IS NULL OR expires_at > ?5) ORDER BY key LIMIT ?4"
        );
        Ok(Statement::new(sql, args![index.ns, from, end, self.most, signed(self.now)]))
    }

    fn part(&self, found: &Outcome) -> Result<Part> {
        let all = found.rows.iter().map(|row| entry(row.values())).collect::<Result<Vec<_>>>()?;
        let found = all.len();
        let mut bytes = 0;
        let fits = |entry: &Entry| {
            let fits = bytes < BYTES;
            bytes += entry.value.size();
            fits
        };
        let entries: Vec<Entry> = all.into_iter().take_while(fits).collect();
        let last = entries.len() == found && found < usize::try_from(self.most).unwrap_or(usize::MAX);
        Ok(Part { entries, last })
    }

    /// Where it is afterwards.
    fn reached(&self, key: Option<&[u8]>, counted: i64, built: usize) -> Vec<Statement> {
        match key {
            Some(key) => {
                let sql =
                    "UPDATE kv_indexes SET reached = ?2, entries = entries + ?3, built = built + ?4 WHERE id = ?1";
                vec![Statement::new(sql, args![self.id, key, counted, signed(built as u64)])]
            }
            None => {
                let sql = "UPDATE kv_indexes SET reached = NULL, state = 'ready', entries = entries + ?2 WHERE id = ?1";
                vec![another_shape(), Statement::new(sql, args![self.id, counted])]
            }
        }
    }

    fn failed(&self, why: &Error) -> Vec<Statement> {
        let sql = "UPDATE kv_indexes SET reached = NULL, state = 'failed', reason = ?2 WHERE id = ?1";
        vec![another_shape(), Statement::new(sql, args![self.id, why.to_string()])]
    }

    fn count(&self, found: &Outcome) -> Result<Vec<Statement>> {
        let count = signed(found.rows.len() as u64);
        let last: Option<Vec<u8>> = found.rows.iter().last().map(|row| row.at(0)).transpose()?;
        Ok(self.reached(last.as_deref().filter(|_| count == COUNTED), count, 0))
    }

    /// What comes after a part was read, given what was read of others' unique values.
    fn then(&self, declared: &Declared, index: &Live, found: &Outcome, read: &[Outcome]) -> Result<Next> {
        if index.info.index.kind == IndexKind::Count {
            return Ok(if read.is_empty() { Next::Run(self.count(found)?) } else { Next::Commit });
        }
        let part = self.part(found)?;
        let written: Vec<Written<'_>> =
            part.entries.iter().map(|entry| Written::new(&entry.key, Some(&entry.value))).collect();
        let probes = match declared.probes(index.ns, self.now, &written) {
            Ok(probes) => probes,
            Err(taken) if read.is_empty() => return Ok(Next::Run(self.failed(&taken))),
            Err(_) => return Ok(Next::Commit),
        };
        if read.is_empty() && !probes.is_empty() {
            return Ok(Next::Run(probes));
        }
        if read.len() > probes.len() {
            return Ok(Next::Commit);
        }
        if let Err(taken) = declared.taken(&written, read) {
            return Ok(Next::Run(self.failed(&taken)));
        }
        let mut statements = Vec::new();
        index.put(written.iter().enumerate(), Numbers::Built(index.built), &Documents::default(), &mut statements)?;
        let last = part.entries.last().map(|entry: &Entry| Key::as_bytes(&entry.key));
        statements.extend(self.reached(last.filter(|_| !part.last), 0, written.len()));
        Ok(Next::Run(statements))
    }
}

impl Plan for BuildPlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        let [there, rest @ ..] = done else {
            return Ok(Next::Run(vec![Statement::new(of_index(), args![self.id])]));
        };
        let declared = Declared::read(&there.rows).map_err(Refusal::write)?;
        let index = declared.indexes.first().filter(|index| index.info.state == IndexState::Building);
        let Some(index) = index else { return Ok(Next::Abandon) };
        match rest {
            [] => Ok(Next::Run(vec![self.next_part(index).map_err(Refusal::write)?])),
            [found, read @ ..] => self.then(&declared, index, found, read).map_err(Refusal::write),
        }
    }
}

/// A part of what a removed index had, and in the end the index.
#[derive(Debug)]
pub(super) struct ClearPlan(pub(super) i64);

impl ClearPlan {
    /// Before the last.
    const STATEMENTS: usize = 3;
}

impl Plan for ClearPlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        let id = self.0;
        match done {
            [] => {
                let some = |table: &str, key: &str| {
                    let some = format!("SELECT {key} FROM {table} WHERE idx = ?1 ORDER BY {key} LIMIT 1000");
                    Statement::new(format!("DELETE FROM {table} WHERE ({key}) IN ({some})"), args![id])
                };
                Ok(Next::Run(vec![
                    some("kv_postings", "idx, term, doc"),
                    some("kv_docs", "idx, key"),
                    some("kv_sorted", "idx, value, key"),
                ]))
            }
            all @ [_, _, _] if all.iter().all(|some| some.affected == 0) => {
                let gone = "DELETE FROM kv_indexes WHERE id = ?1 AND state = 'removing'";
                Ok(Next::Run(vec![Statement::new(gone, args![id])]))
            }
            _ => Ok(Next::Commit),
        }
    }
}
