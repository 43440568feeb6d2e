//! The real runner in this process, with a directory of its own.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use buntime_config::Source;
use http::Method;
use runner::{Options, Running, StartError, start};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{self, Answer};

/// A runner, its configuration file and its data.
#[derive(Debug)]
pub struct Gateway {
    running: Option<Running>,
    dir: TempDir,
}

impl Gateway {
    /// Starts with a configuration. A listener on a free loopback port is added where it says nothing.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(config: Value) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self::start_in(dir, config, |_| {}).await
    }

    /// Starts in a directory, with changed options.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_in(dir: TempDir, config: Value, change: impl FnOnce(&mut Options)) -> Self {
        write(&dir.path().join("buntime.jsonc"), &config);
        match Self::try_start(&dir, change).await {
            Ok(running) => Self { running: Some(running), dir },
            Err(error) => panic!("it does not start: {error}"),
        }
    }

    /// Starts with what is in the directory.
    ///
    /// # Errors
    /// What a user would be told.
    pub async fn try_start(dir: &TempDir, change: impl FnOnce(&mut Options)) -> Result<Running, StartError> {
        let mut options = Options::new(Source::File(dir.path().join("buntime.jsonc")));
        options.env = Arc::new(BTreeMap::new());
        options.workers = Some(2);
        change(&mut options);
        start(options).await
    }

    /// The runner.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs until it is stopped")
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.running().addr()
    }

    /// The configuration file.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("buntime.jsonc")
    }

    /// The directory of the file and the data.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces the file as editors and orchestrators do: a new one is written and renamed.
    pub fn replace(&self, config: &Value) {
        let next = self.dir.path().join("next");
        write(&next, config);
        fs::rename(next, self.file()).expect("a renamed file");
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> Answer {
        client::get(self.addr(), path).await
    }

    /// Asks for a path and reads JSON.
    ///
    /// # Panics
    /// If it is not answered with 200 and JSON.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Sends JSON.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = client::request(method.as_str(), path).header("content-type", "application/json");
        client::send(self.addr(), request.body(body.to_string().into()).expect("a request")).await
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> String {
        self.get("/p/metrics/api/prometheus").await.text()
    }

    /// Stops it and gives its directory back.
    pub async fn stop(mut self) -> TempDir {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.dir
    }
}

fn write(file: &Path, config: &Value) {
    let mut config = config.clone();
    let server = &mut config["server"];
    for (key, value) in [("host", json!("127.0.0.1")), ("port", json!(0))] {
        if server.get(key).is_none() {
            server[key] = value;
        }
    }
    fs::write(file, config.to_string()).expect("a written file");
}

/// A proxy rule: everything below `/<name>` to `target`, without that prefix.
pub fn rule(name: &str, target: &str) -> Value {
    json!({ "name": name, "pattern": format!("^/{name}(/.*)?$"), "target": target, "rewrite": "$1" })
}

/// All plugins, the proxy with these rules.
pub fn proxying(rules: &[Value]) -> Value {
    json!({ "plugins": [
        "@buntime/plugin-metrics", "@buntime/plugin-logs", "@buntime/plugin-health",
        ["@buntime/plugin-proxy", { "rules": rules }] ] })
}

/// Starts a file of the repository as it stands, but on a free port and with its data elsewhere.
///
/// # Panics
/// If it does not start.
pub async fn start_copy(file: &Path, dir: &Path, env: &[(&str, &str)]) -> Running {
    let copy = dir.join("buntime.jsonc");
    fs::copy(file, &copy).expect("a copied file");
    let mut options = Options::new(Source::File(copy));
    let mut all: BTreeMap<String, String> = BTreeMap::from([("PORT".to_owned(), "0".to_owned())]);
    all.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    options.env = Arc::new(all);
    options.workers = Some(1);
    match start(options).await {
        Ok(running) => running,
        Err(error) => panic!("{}: {error}", file.display()),
    }
}

/// Starts an example of the repository in a directory, where its paths lead nowhere else.
///
/// # Panics
/// If it does not start.
pub async fn start_example(name: &str, dir: &Path, env: &[(&str, &str)]) -> Running {
    let file = crate::repository().join("config/examples").join(name);
    let home = example_home(dir);
    start_copy(&file, &home, env).await
}

/// Where below a directory an example stands: as deep as in the repository.
///
/// # Panics
/// If it cannot be made.
pub fn example_home(dir: &Path) -> PathBuf {
    let home = dir.join("config/examples");
    fs::create_dir_all(&home).expect("a directory");
    home
}
