//! The runner under measurement: metrics, logs, health and one proxy rule for everything.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    Result,
    child::{Started, pause},
    loopback,
};

/// A running gateway, ended with this value.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) port: u16,
    pub(super) first_answer_ms: f64,
    upstream: u16,
    level: &'static str,
    file: PathBuf,
    process: Started,
}

impl Gateway {
    /// Starts it and waits for its first answer.
    pub(super) fn start(program: &Path, dir: &Path, upstream: u16, access_log: bool) -> Result<Self> {
        let home = dir.join("gateway");
        fs::create_dir_all(&home)?;
        let file = home.join("buntime.jsonc");
        // Lines of the access log are of level info.
        let level = if access_log { "info" } else { "warn" };
        // A port known beforehand: reading it from the output would be part of what is measured.
        let port = loopback::free_port()?;
        write(&file, port, upstream, level, 0)?;

        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            // The developer's own settings are not what is measured.
            if name.to_string_lossy().starts_with("BUNTIME_") || name == "HOST" || name == "PORT" {
                command.env_remove(name);
            }
        }
        command.arg("--config").arg(&file).current_dir(&home);
        let begun = Instant::now();
        let mut process = Started::new("buntime", &mut command, dir)?;
        process.wait_until("answering", Duration::from_secs(15), |_| {
            loopback::get(port, "/").ok().filter(|(status, _)| *status == 200)
        })?;
        let first_answer_ms = begun.elapsed().as_secs_f64() * 1e3;
        Ok(Self { port, first_answer_ms, upstream, level, file, process })
    }

    /// Its resident memory in bytes.
    pub(super) fn rss(&self) -> Result<u64> {
        let file = format!("/proc/{}/status", self.process.pid());
        let status = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// Changes the configuration; the rule's name tells which change is in force.
    pub(super) fn change(&self, generation: u64) -> Result {
        write(&self.file, self.port, self.upstream, self.level, generation)
    }

    pub(super) fn hang_up(&self) -> Result {
        self.process.signal("HUP")
    }

    /// Does the gateway say within that time that this change is in force?
    pub(super) fn sees(&self, generation: u64, patience: Duration) -> bool {
        let name = rule(generation);
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if loopback::get(self.port, "/api/config").is_ok_and(|(_, body)| body.contains(&name)) {
                return true;
            }
            pause(Duration::from_millis(10));
        }
        false
    }
}

fn rule(generation: u64) -> String {
    format!("generation-{generation}-")
}

/// Written beside and moved there, as editors do: never half a file.
fn write(file: &Path, port: u16, upstream: u16, level: &str, generation: u64) -> Result {
    let text = json!({
        "server": { "host": "127.0.0.1", "port": port },
        "dataDir": "./data",
        "log": { "level": level, "format": "json" },
        "plugins": [
            "@buntime/plugin-metrics",
            "@buntime/plugin-logs",
            "@buntime/plugin-health",
            ["@buntime/plugin-proxy", { "rules": [
                { "name": rule(generation), "pattern": "^/", "target": format!("http://127.0.0.1:{upstream}") }
            ] }]
        ]
    });
    let beside = file.with_extension("new");
    fs::write(&beside, serde_json::to_string_pretty(&text)?)?;
    fs::rename(&beside, file)?;
    Ok(())
}
