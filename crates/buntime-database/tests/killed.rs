//! A process that is killed while it writes: every row it was told of is there afterwards.
//!
//! The child is this test binary, told by its environment to write.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use buntime_database::{
    Adapter, args,
    sqlite::{Options, Sqlite},
};
use tempfile::TempDir;

const DIRECTORY: &str = "BUNTIME_TEST_WRITE_IN";
const MARK: &str = "acknowledged ";

/// Ends the child whatever happens to the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test by itself: does nothing unless it is the child.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_writes() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let db = Arc::new(Sqlite::open(Options::in_dir(Path::new(&dir))).await.unwrap());
    db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, half INTEGER)", args![]).await.unwrap();
    let writers = (0..16).map(|writer| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            for n in 0..100_000 {
                let id = format!("{writer}-{n}");
                db.execute("INSERT INTO t VALUES (?1, 1)", args![&id]).await.unwrap();
                let mut out = std::io::stdout().lock();
                // A failed write means that the parent is gone.
                if writeln!(out, "{MARK}{id}").and_then(|()| out.flush()).is_err() {
                    return;
                }
            }
        })
    });
    futures_util::future::join_all(writers).await;
}

#[tokio::test]
async fn acknowledged_rows_survive_a_kill() {
    let dir = TempDir::new().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes", "--nocapture"])
        .env(DIRECTORY, dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let id = |line: String| line.split_once(MARK).map(|(_, id)| id.to_owned());
    let mut acknowledged: Vec<String> = lines.by_ref().filter_map(id).take(500).collect();
    child.0.kill().unwrap();
    // What it had still said; a line cut short by the kill would have no end, and is the last.
    acknowledged.extend(lines.filter_map(id));
    assert!(acknowledged.len() >= 500, "the child wrote {} rows", acknowledged.len());
    acknowledged.pop();

    let db = Sqlite::open(Options::in_dir(dir.path())).await.unwrap();
    for id in &acknowledged {
        let found = db.query("SELECT half FROM t WHERE id = ?1", args![id]).await.unwrap();
        assert_eq!(found.len(), 1, "{id} was acknowledged and is lost");
    }
    let sound = db.query("PRAGMA quick_check", args![]).await.unwrap();
    assert_eq!(sound.first().unwrap().at::<String>(0).unwrap(), "ok");
}
