//! haproxy: the other baseline.

use std::{fs, path::Path, process::Command};

use crate::{Result, child::Started, setup};

/// A running haproxy, ended with this value.
#[derive(Debug)]
pub(super) struct Haproxy {
    pub(super) port: u16,
    _process: Started,
}

impl Haproxy {
    /// Proxies to `upstreams`, one after the other, over kept connections.
    pub(super) fn start(name: &str, dir: &Path, upstreams: &[u16], access_log: bool) -> Result<Self> {
        let program = setup::find("haproxy").ok_or("haproxy is not there; run `cargo xtask setup`")?;
        let home = dir.join(name);
        fs::create_dir_all(&home)?;
        let (port, process) = Started::listening(name, dir, |port| {
            let file = home.join("haproxy.cfg");
            fs::write(&file, configuration(port, upstreams, access_log))?;
            let mut command = Command::new(&program);
            // In the foreground, with one process.
            command.arg("-db").arg("-f").arg(&file).current_dir(&home);
            Ok(command)
        })?;
        Ok(Self { port, _process: process })
    }
}

fn configuration(port: u16, upstreams: &[u16], access_log: bool) -> String {
    let (log, lines) = if access_log {
        ("  log stdout format raw local0\n", "  log global\n  option httplog\n")
    } else {
        ("", "  no log\n")
    };
    let servers: String =
        upstreams.iter().map(|upstream| format!("  server s{upstream} 127.0.0.1:{upstream}\n")).collect();
    format!(
        "global\n  nbthread 2\n  maxconn 4096\n{log}\
         defaults\n  mode http\n{lines}  option http-keep-alive\n  option forwardfor\n  timeout connect 5s\n  \
         timeout client 60s\n  timeout server 60s\n\
         frontend in\n  bind 127.0.0.1:{port}\n  default_backend up\n\
         backend up\n  balance roundrobin\n  http-reuse always\n{servers}"
    )
}
