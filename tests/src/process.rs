//! The real binary as a process of its own: exit codes, signals, what it prints, what it takes of the machine.

use std::{
    collections::HashMap,
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use buntime_testing::eventually;

use crate::{skipped, soon};

/// The binary, which cargo puts beside the directory of the tests. `None` if it was not built: the test is skipped then.
pub fn binary() -> Option<PathBuf> {
    let test = std::env::current_exe().expect("a test knows where it is");
    let built =
        test.parent().and_then(Path::parent).map(|dir| dir.join(format!("runner{}", std::env::consts::EXE_SUFFIX)));
    let found = built.filter(|path| path.is_file());
    if found.is_none() {
        skipped("needs the runner binary; `cargo build -p runner` makes it");
    }
    found
}

/// A program that a crate has for an example. `None` if it was not built: the test is skipped then.
pub fn example(name: &str) -> Option<PathBuf> {
    let test = std::env::current_exe().expect("a test knows where it is");
    let built = test.parent().and_then(Path::parent).map(|dir| dir.join("examples").join(name));
    let found = built.map(|path| path.with_extension(std::env::consts::EXE_EXTENSION)).filter(|path| path.is_file());
    if found.is_none() {
        skipped(&format!("needs the example {name}; `cargo test --workspace` makes it"));
    }
    found
}

/// How a process ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub out: String,
    /// What it wrote to stderr.
    pub err: String,
}

/// A runner that serves. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    out: Text,
    err: Text,
    addr: SocketAddr,
}

type Text = Arc<Mutex<String>>;

impl Process {
    /// Runs it to its end, in `dir`.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn run(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Option<Ran> {
        let mut command = command(&binary()?, dir, args, env);
        let child = command.spawn().expect("it can be started");
        let output = soon("the end of the process", child.wait_with_output()).await.expect("an end");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
    }

    /// Starts one that serves, in `dir`, and waits until it says where.
    ///
    /// # Panics
    /// If it ends before.
    pub async fn serve(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Option<Self> {
        let mut child = command(&binary()?, dir, args, env).spawn().expect("it can be started");
        let out = gather(child.stdout.take().expect("stdout is piped"));
        let err = gather(child.stderr.take().expect("stderr is piped"));
        let mut found = None;
        eventually("the runner says where it listens", || {
            found = listening(&out);
            let ended = child.try_wait().is_ok_and(|status| status.is_some());
            assert!(!ended || found.is_some(), "it ended: {}{}", text(&out), text(&err));
            let is_found = found.is_some();
            async move { is_found }
        })
        .await;
        Some(Self { child, out, err, addr: found.expect("it was found") })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What it has written to stdout.
    pub fn out(&self) -> String {
        text(&self.out)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).expect("a process id");
        kill_process(Pid::from_raw(id).expect("a process id"), signal).expect("it can be told");
    }

    /// Kills it as `kill -9` does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Waits for its end.
    pub async fn end(mut self) -> Ran {
        let status = soon("the end of the process", self.child.wait()).await.expect("an end");
        Ran { code: status.code(), out: text(&self.out), err: text(&self.err) }
    }

    /// A number of `/proc/<id>/status`, such as `VmRSS` in kilobytes. `None` where there is no such thing.
    pub fn status(&self, key: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// How many files it has open. `None` where that cannot be seen.
    pub fn open_files(&self) -> Option<usize> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.id())).ok()?.count())
    }
}

fn command(binary: &Path, dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary);
    command.args(args).current_dir(dir).env_clear().envs(env.iter().copied().collect::<HashMap<_, _>>());
    // Where the loader looks, if it must.
    for name in ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "LLVM_PROFILE_FILE"].map(OsStr::new) {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn gather(from: impl AsyncRead + Send + Unpin + 'static) -> Text {
    let text = Text::default();
    let kept = Arc::clone(&text);
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut text = kept.lock().unwrap_or_else(PoisonError::into_inner);
            text.push_str(&line);
            text.push('\n');
        }
    });
    text
}

fn text(text: &Text) -> String {
    text.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn listening(out: &Text) -> Option<SocketAddr> {
    let text = text(out);
    let url = text.lines().find_map(|line| line.strip_prefix("listening on "))?;
    url.split_once("://")?.1.parse().ok()
}
