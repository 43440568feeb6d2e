//! nginx in both parts: upstreams that answer 1 KB, and those that proxy to them.

use std::{fs, path::Path, process::Command};

use crate::{Result, child::Started, setup};

/// A running nginx, ended with this value.
#[derive(Debug)]
pub(super) struct Nginx {
    pub(super) port: u16,
    _process: Started,
}

impl Nginx {
    /// Answers every request with 1 KB, which may be stored for an hour.
    pub(super) fn upstream(name: &str, dir: &Path, access_log: bool) -> Result<Self> {
        let body = "0123456789abcdef".repeat(64);
        let server = |port: u16| {
            format!(
                "server {{ listen 127.0.0.1:{port} reuseport; location / {{ default_type text/plain; \
                 add_header Cache-Control max-age=3600; return 200 \"{body}\"; }} }}"
            )
        };
        Self::start(name, dir, access_log, server)
    }

    /// Answers from what it has stored of `upstream`, in the same way.
    pub(super) fn cache(name: &str, dir: &Path, upstream: u16, access_log: bool) -> Result<Self> {
        let stored = dir.join(name).join("cache");
        let server = |port: u16| {
            format!(
                "proxy_cache_path {stored} keys_zone=all:10m;
                 server {{ listen 127.0.0.1:{port} reuseport; location / {{ proxy_pass http://127.0.0.1:{upstream}; \
                 proxy_http_version 1.1; proxy_set_header Host $host; proxy_cache all; \
                 add_header X-Cache $upstream_cache_status; }} }}",
                stored = stored.display()
            )
        };
        Self::start(name, dir, access_log, server)
    }

    /// Proxies to `upstreams`, one after the other, over kept connections.
    pub(super) fn proxy(name: &str, dir: &Path, upstreams: &[u16], access_log: bool) -> Result<Self> {
        let servers: String = upstreams.iter().map(|upstream| format!("server 127.0.0.1:{upstream}; ")).collect();
        let server = |port: u16| {
            format!(
                "upstream up {{ {servers}keepalive 128; keepalive_requests 1000000000; }}
                 server {{ listen 127.0.0.1:{port} reuseport; location / {{ proxy_pass http://up; proxy_http_version 1.1; \
                 proxy_set_header Connection \"\"; proxy_set_header Host $host; \
                 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}"
            )
        };
        Self::start(name, dir, access_log, server)
    }

    fn start(name: &str, dir: &Path, access_log: bool, server: impl Fn(u16) -> String) -> Result<Self> {
        let program = setup::find("nginx").ok_or("nginx is not there; run `cargo xtask setup`")?;
        let home = dir.join(name);
        fs::create_dir_all(&home)?;
        let (port, process) = Started::listening(name, dir, |port| {
            let file = home.join("nginx.conf");
            fs::write(&file, configuration(&home, access_log, &server(port)))?;
            let mut command = Command::new(&program);
            command.arg("-e").arg("stderr").arg("-p").arg(&home).arg("-c").arg(&file);
            Ok(command)
        })?;
        Ok(Self { port, _process: process })
    }
}

fn configuration(home: &Path, access_log: bool, server: &str) -> String {
    let home = home.display();
    let log = if access_log { format!("{home}/access.log") } else { "off".to_owned() };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {home}/{kind};\n"))
        .collect();
    format!(
        "daemon off;\npid {home}/pid;\nworker_processes 2;\nerror_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n{temporary}  access_log {log};\n  tcp_nodelay on;\n  keepalive_requests 1000000000;\n  {server}\n}}\n"
    )
}
