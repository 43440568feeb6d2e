//! The stores under measurement: ours behind the runner, Deno's own file, and the `denokv` server where there is one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;

use super::disk::Disk;
use crate::{Result, child::Started, loopback, setup};

/// Of both servers; neither looks further than whether it is the same.
const TOKEN: &str = "the-token-of-a-bench";

/// A store that Deno can open.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// What `Deno.openKv` is told.
    pub(super) at: String,
    server: Option<Started>,
    /// The disk that its client writes to itself.
    pub(super) disk: Disk,
}

impl Peer {
    /// The runner with its default database and KeyVal alone.
    pub(super) fn runner(program: &Path, dir: &Path, disk: &Disk) -> Result<Self> {
        let home = dir.join("runner");
        fs::create_dir_all(&home)?;
        let (port, server) = Started::listening("runner", dir, |port| {
            let file = home.join("buntime.jsonc");
            let config = json!({
                "server": { "host": "127.0.0.1", "port": port },
                "dataDir": "./data",
                "log": { "level": "warn" },
                "plugins": ["@buntime/plugin-health", ["@buntime/plugin-keyval", { "accessTokens": [TOKEN] }]],
            });
            fs::write(&file, config.to_string())?;
            let mut command = Command::new(program);
            command.arg("--config").arg(&file).current_dir(&home);
            disk.under(&mut command);
            Ok(command)
        })?;
        let at = format!("http://127.0.0.1:{port}/p/keyval");
        Ok(Self { name: "buntime", at, server: Some(server), disk: Disk::default() })
    }

    /// A file that Deno opens itself.
    pub(super) fn file(dir: &Path, disk: &Disk) -> Self {
        Self {
            name: "Deno's file",
            at: dir.join("deno.sqlite").display().to_string(),
            server: None,
            disk: disk.clone(),
        }
    }

    /// `denokv`, of Cargo's registry. It takes half an hour to build, so that nothing installs it.
    pub(super) fn denokv(program: &Path, dir: &Path, disk: &Disk) -> Result<Self> {
        let port = loopback::free_port()?;
        let mut command = Command::new(program);
        command.arg("--sqlite-path").arg(dir.join("denokv.sqlite")).arg("serve");
        command.args(["--addr", &format!("127.0.0.1:{port}"), "--access-token", TOKEN]);
        let mut server = Started::new("denokv", disk.under(&mut command), dir)?;
        server.wait_until("listening", Duration::from_secs(10), |_| loopback::get(port, "/").ok())?;
        let at = format!("http://127.0.0.1:{port}");
        Ok(Self { name: "denokv", at, server: Some(server), disk: Disk::default() })
    }

    /// Microseconds of processor time that its server has used. `None`: it has no server.
    pub(super) fn processor_us(&self) -> Result<Option<f64>> {
        self.server.as_ref().map(|server| processor_us(server.pid())).transpose()
    }

    /// The port of its server.
    pub(super) fn port(&self) -> Option<u16> {
        loopback::port_in(&self.at)
    }
}

/// User and system time of all threads of a process: fields 14 and 15 of proc(5)'s `stat`, of a hundredth of a second.
fn processor_us(pid: u32) -> Result<f64> {
    let file = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let after_name = text.rsplit_once(')').ok_or("a process without a name")?.1;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<std::result::Result<u64, _>>()?;
    Ok(ticks as f64 * 10_000.0)
}

/// Runs the load script in Deno, and returns what it printed.
pub(super) fn deno(script: &Path, dir: &Path, args: &[&str], disk: &Disk) -> Result<String> {
    let deno = setup::find("deno").ok_or("deno is not there; run `cargo xtask setup`")?;
    let mut command = Command::new(deno);
    command
        .args(["run", "--no-check", "--quiet", "--unstable-kv", "--allow-all"])
        .arg(script)
        .args(args)
        .env("DENO_DIR", dir.join("deno"))
        .env("DENO_NO_UPDATE_CHECK", "1")
        .env("DENO_KV_ACCESS_TOKEN", TOKEN);
    let output = disk.under(&mut command).output()?;
    if !output.status.success() {
        return Err(format!("deno {args:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Those there are.
pub(super) fn all(runner: &Path, denokv: Option<&PathBuf>, dir: &Path, disk: &Disk) -> Result<Vec<Peer>> {
    let mut peers = vec![Peer::file(dir, disk)];
    match denokv.cloned().or_else(|| setup::find("denokv")) {
        Some(program) => peers.push(Peer::denokv(&program, dir, disk)?),
        None => eprintln!("bench: denokv is not there (`cargo install denokv` takes half an hour): left out"),
    }
    peers.push(Peer::runner(runner, dir, disk)?);
    Ok(peers)
}
