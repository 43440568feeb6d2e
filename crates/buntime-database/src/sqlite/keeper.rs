//! A read transaction that stays open while others read much.
//!
//! Each read locks its snapshot in the file against other processes: two system calls inside a mutex of all connections of
//! this process, for which readers of several threads wait. A lock that one connection holds already costs the others
//! neither. So while there are reads, one connection more holds it and does nothing else.
//!
//! What it holds keeps the log from being begun anew. So it lets go before each commit of the writer, holds nothing old
//! for longer than a turn, leaves a turn out now and then for those that write beside the writer, and ends with the reads.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use super::{Alive, Options, connection, connection::Guarded, spawn};
use crate::Result;

/// How long it holds one snapshot, and for how long nobody may have read for it to end.
const TURN: Duration = Duration::from_millis(20);
/// Of so many turns it leaves one out.
const TURNS: u32 = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Keeper {
    /// `None`: closed.
    on: Mutex<Option<Guarded>>,
    /// Changed with `on` locked.
    holds: AtomicBool,
    /// Somebody read in this turn.
    asked: AtomicBool,
    /// Its thread waits for the next read.
    idle: AtomicBool,
    closed: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Keeper {
    /// Opens its connection and starts its thread.
    pub(super) fn start(options: &Options, alive: Alive) -> Result<Arc<Self>> {
        let keeper = Arc::new(Self {
            on: Mutex::new(Some(connection::open_reader(options)?)),
            holds: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let served = Arc::clone(&keeper);
        spawn("sqlite-keeper".to_owned(), move || {
            let _alive = alive;
            served.serve();
        })?;
        Ok(keeper)
    }

    /// Somebody reads.
    pub(super) fn ask(&self) {
        // Written once in a turn only: several threads look at it.
        if !self.asked.load(Relaxed) {
            self.asked.store(true, SeqCst);
            if self.idle.swap(false, SeqCst) {
                self.wake();
            }
        }
    }

    /// Lets go of what it holds. It may hold something again from its next turn on.
    pub(super) fn let_go(&self) {
        if self.holds.load(Relaxed) {
            self.locked(|on| self.end(on));
        }
    }

    /// Ends its thread, with its connection.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.wake();
    }

    fn wake(&self) {
        // A thread that has not begun sees what it is told when it begins.
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn serve(&self) {
        let _ = self.thread.set(thread::current());
        let mut turn = 0;
        while !self.closed.load(SeqCst) {
            if self.asked.swap(false, SeqCst) {
                turn = (turn + 1) % TURNS;
                if turn == 0 {
                    self.let_go();
                } else {
                    self.locked(|on| self.hold(on));
                }
                thread::park_timeout(TURN);
            } else {
                self.let_go();
                self.idle.store(true, SeqCst);
                // Who asked before it was idle did not wake it.
                if !self.asked.load(SeqCst) && !self.closed.load(SeqCst) {
                    thread::park();
                }
                self.idle.store(false, SeqCst);
            }
        }
        drop(self.on.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn locked(&self, work: impl FnOnce(&Guarded)) {
        if let Some(on) = &*self.on.lock().unwrap_or_else(PoisonError::into_inner) {
            work(on);
        }
    }

    fn hold(&self, on: &Guarded) {
        self.end(on);
        let begun = on.control("BEGIN").and_then(|()| on.control("SELECT 1 FROM sqlite_schema LIMIT 1"));
        self.holds.store(true, Relaxed);
        if begun.is_err() {
            // Somebody recovers the file, or it is gone: who reads will say so.
            self.end(on);
        }
    }

    fn end(&self, on: &Guarded) {
        if self.holds.swap(false, Relaxed)
            && let Err(error) = on.control("COMMIT")
        {
            tracing::debug!(%error, "a read transaction could not be ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, path::Path};

    use rusqlite::Connection;
    use tempfile::TempDir;
    use tokio::sync::watch;

    use super::*;

    fn file() -> (TempDir, Options, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::in_dir(dir.path());
        let writer = connection::open_writer(&options).unwrap().connection;
        let other = Connection::open(options.path().unwrap()).unwrap();
        other.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
        drop(writer);
        (dir, options, other)
    }

    /// Can the log be begun anew? It cannot while somebody holds a snapshot of it.
    fn truncates(on: &Connection) -> bool {
        on.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap() == 0
    }

    fn waits(on: &Connection, time: Duration) {
        on.busy_timeout(time).unwrap();
    }

    fn start(options: &Options) -> (Arc<Keeper>, watch::Receiver<usize>) {
        let (alive, watch) = watch::channel(0);
        (Keeper::start(options, Alive::new(&alive)).unwrap(), watch)
    }

    async fn held(keeper: &Keeper) {
        while !keeper.holds.load(SeqCst) {
            keeper.ask();
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn holds_while_there_are_reads_and_ends_with_them() {
        let (_dir, options, other) = file();
        let (keeper, alive) = start(&options);
        held(&keeper).await;
        other.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        // It reads no more: whoever waits may begin the log anew.
        waits(&other, Duration::from_secs(20));
        assert!(truncates(&other));
        // And so when it is asked again.
        held(&keeper).await;
        keeper.close();
        super::super::ended(&alive).await;
        assert!(keeper.on.lock().unwrap().is_none());
    }

    #[tokio::test]
    async fn lets_go_when_it_is_told() {
        let (_dir, options, other) = file();
        let (keeper, alive) = start(&options);
        waits(&other, Duration::ZERO);
        held(&keeper).await;
        keeper.let_go();
        assert!(!keeper.holds.load(SeqCst));
        other.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        keeper.close();
        super::super::ended(&alive).await;
        assert!(truncates(&other));
    }

    #[tokio::test]
    async fn who_writes_beside_the_writer_while_there_are_reads_keeps_a_short_log() {
        let (_dir, options, other) = file();
        let (keeper, _alive) = start(&options);
        let log = options.path().unwrap().with_extension("db-wal");
        // A commit that finds all of the log folded into the file begins it anew.
        let (mut salt, mut times) = (salts(&log), 0);
        while times < 3 {
            keeper.ask();
            other.execute("INSERT INTO t VALUES (zeroblob(10000))", []).unwrap();
            let now = salts(&log);
            times += usize::from(now != salt);
            salt = now;
            assert!(std::fs::metadata(&log).unwrap().len() < 1 << 30, "the log is never begun anew");
        }
        keeper.close();
    }

    /// Of the log's header, others each time it is begun anew.
    fn salts(log: &Path) -> [u8; 24] {
        let mut header = [0; 24];
        std::fs::File::open(log).unwrap().read_exact(&mut header).unwrap();
        header
    }
}
