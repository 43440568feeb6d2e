//! Chromium without a window, driven over its debugging protocol: what a person does with pages, and what they see.

mod connection;
mod tab;

use std::{path::PathBuf, process::Stdio, sync::Arc};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use self::connection::Connection;
pub use self::tab::Tab;
use crate::{skipped, soon};

/// One Chromium with a profile of its own; ended when dropped.
#[derive(Debug)]
pub struct Browser {
    _child: Child,
    connection: Arc<Connection>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one. `None` where there is no Chromium: the test is skipped then.
    ///
    /// # Panics
    /// If it is there and does not start.
    pub async fn start() -> Option<Self> {
        let Some(program) = program() else {
            skipped("needs chromium; `cargo xtask setup` installs it");
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program);
        // It visits pages of these tests only, often as root in a container, where its sandbox cannot be had.
        command.args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ]);
        command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        command.args(["--disable-extensions", "--disable-sync", "--no-proxy-server", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("chromium starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let url = soon("chromium says where it listens", async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(url) = line.strip_prefix("DevTools listening on ") {
                    let url = url.trim().to_owned();
                    // It must not be stopped by a full pipe.
                    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                    return url;
                }
            }
            panic!("chromium ended before it listened")
        })
        .await;
        let connection = Connection::open(&url).await;
        Some(Self { _child: child, connection, _profile: profile })
    }

    /// Opens a tab, as wide as a desk's screen.
    pub async fn tab(&self) -> Tab {
        let target = self.connection.ask(None, "Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.connection.ask(None, "Target.attachToTarget", attach).await;
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        Tab::new(Arc::clone(&self.connection), session).await
    }
}

fn program() -> Option<PathBuf> {
    let places =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/opt/homebrew/bin/chromium"];
    places.into_iter().map(PathBuf::from).find(|place| place.exists())
}
