//! A process that is killed while it builds indexes and writes: the next one goes on, and they say what a look at
//! everything says.
//!
//! The child is this test binary, told by its environment to write.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use buntime_database::{
    Adapter,
    sqlite::{Options, Sqlite},
};
use tempfile::TempDir;

use crate::{indexes, place::Place};

const DIRECTORY: &str = "BUNTIME_TEST_BUILD_IN";
const MARK: &str = "round ";

/// Ends the child whatever happens to the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn place(dir: PathBuf) -> Place {
    Place::of(Box::new(move || {
        let dir = dir.clone();
        Box::pin(async move { Arc::new(Sqlite::open(Options::in_dir(&dir)).await.unwrap()) as Arc<dyn Adapter> })
    }))
    .await
}

/// Not a test by itself: does nothing unless it is the child.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_builds() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let place = place(dir.into()).await;
    indexes::fill(&place, 3000).await;
    for index in indexes::all_kinds() {
        place.kv.declare(index).await.unwrap();
    }
    for round in 0.. {
        indexes::write(&place, round, 3000).await;
        let mut out = std::io::stdout().lock();
        // A failed write means that the parent is gone.
        if writeln!(out, "{MARK}{round}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_survives_the_kill_of_who_builds_it() {
    // As soon as they are declared, a little later, and when they are built.
    for rounds in [1, 4, 40] {
        let dir = TempDir::new().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child_that_builds", "--nocapture"])
            .env(DIRECTORY, dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut child = Killed(child);
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.filter(|line| line.contains(MARK)).take(rounds).count();
        child.0.kill().unwrap();
        assert_eq!(said, rounds);
        let place = place(dir.path().to_owned()).await;
        indexes::all_become_ready(&place, 3).await;
        indexes::agrees_with_a_scan(&place).await;
    }
}
