//! A PostgreSQL cluster of a test's own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    child::{Running, free},
    skipped,
};

/// One PostgreSQL server with one user, `tester`, who may do everything.
#[derive(Debug)]
pub struct PostgresServer {
    running: Option<Running>,
    programs: PathBuf,
    address: SocketAddr,
    // Last, so that the server has ended.
    dir: TempDir,
}

impl PostgresServer {
    /// Makes a cluster and starts it. `None` where PostgreSQL is not installed: the test is skipped then.
    ///
    /// # Panics
    /// When it is installed and does not start.
    pub async fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            skipped("PostgreSQL");
            return None;
        };
        let dir = TempDir::new().expect("a temporary directory");
        hand_over(dir.path());
        let mut init = unprivileged(&programs.join("initdb"));
        init.args(["--auth=trust", "--username=tester", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"]);
        init.arg(dir.path().join("data")).current_dir(dir.path()).stdin(Stdio::null());
        let made = init.output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { running: None, programs, address: free(), dir };
        server.go_on().await;
        Some(server)
    }

    /// `postgres://tester@127.0.0.1:PORT/postgres`.
    pub fn url(&self) -> String {
        format!("postgres://tester@{}/postgres", self.address)
    }

    /// Ends it at once, as a crash would, with its data kept.
    pub fn crash(&mut self) {
        self.running = None;
    }

    /// Starts it again, on the same port.
    pub async fn go_on(&mut self) {
        let data = self.dir.path().join("data");
        let mut command = unprivileged(&self.programs.join("postgres"));
        command.arg("-D").arg(data).args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]);
        command.args(["-c", "unix_socket_directories=", "-c", "max_connections=60"]).current_dir(self.dir.path());
        self.running = Some(Running::start(&mut command, self.address, "-QUIT").await);
        // It listens before it lets anybody in.
        let port = self.address.port().to_string();
        let ready =
            || Command::new(self.programs.join("pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
        while !ready().expect("pg_isready runs").success() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Where its programs are: Debian puts them beside each other by version, and not into the PATH.
fn programs() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    places.sort();
    places.reverse();
    places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    places.into_iter().find(|place| place.join("initdb").is_file() && place.join("postgres").is_file())
}

/// PostgreSQL does not run as root; then it runs as the user that Debian made for it.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn hand_over(dir: &Path) {
    if is_root() {
        let done = Command::new("chown").arg("postgres:postgres").arg(dir).status().expect("chown runs");
        assert!(done.success(), "there is no user `postgres`");
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
