//! The runner under measurement: metrics, logs and health, and one proxy rule for everything, a balanced service, many
//! routes, or a service behind policies.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::wrk::Asks;
use crate::{
    Result,
    child::{Started, pause},
    loopback,
};

/// How many routes a service has of many.
const ROUTES_OF_A_SERVICE: usize = 100;

/// What leads to the upstreams.
#[derive(Clone, Debug)]
pub(super) enum Through {
    /// One proxy rule.
    Rule(u16),
    /// A service that asks them one after the other.
    Balanced(Vec<u16>),
    /// That many routes of services, which overlap in paths and hosts.
    Routes(usize, u16),
    /// A service with that before it.
    Behind(Policies, u16),
}

/// What a request has to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policies {
    /// Nothing, not even what is measured of every request.
    Nothing,
    /// Metrics, logs and health, as everywhere here.
    Usual,
    /// The usual, and a limit that is never reached.
    Limit,
    /// Metrics, the consumer of an API key, a limit for each consumer, and headers set on requests and answers.
    Governed,
    /// The usual, and the response cache.
    Cache,
}

impl Policies {
    const KEY: &'static str = "the-key-of-a-consumer-of-the-bench";

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Usual => "metrics, logs, health",
            Self::Limit => "the same and a limit",
            Self::Governed => "governed",
            Self::Cache => "cache",
        }
    }

    fn plugins(self) -> Value {
        const USUAL: [&str; 3] = ["@buntime/plugin-metrics", "@buntime/plugin-logs", "@buntime/plugin-health"];
        let usual = |policy: Value| USUAL.iter().map(|name| json!(name)).chain([policy]).collect();
        let limit = |by: &str| json!([{ "requests": 1_000_000_000, "window": "1m", "keyBy": by }]);
        match self {
            Self::Nothing => json!([]),
            Self::Usual => json!(USUAL),
            Self::Limit => usual(json!(["@buntime/plugin-gateway", { "rateLimit": limit("ip") }])),
            Self::Cache => usual(json!(["@buntime/plugin-gateway", { "cache": { "maxBytes": "32mb" } }])),
            Self::Governed => json!([
                "@buntime/plugin-metrics",
                "@buntime/plugin-consumer-keys",
                ["@buntime/plugin-gateway", { "rateLimit": limit("consumer") }],
                ["@buntime/plugin-transformer", { "rules": [{
                    "name": "headers",
                    "request": { "headers": { "set": { "x-gateway": "buntime" } } },
                    "response": { "headers": { "set": { "x-frame-options": "DENY" }, "remove": ["server"] } },
                }] }],
            ]),
        }
    }
}

impl Through {
    /// What a client asks for to get there.
    pub(super) fn asks(&self) -> Asks {
        match self {
            Self::Rule(_) | Self::Balanced(_) => Asks::ROOT,
            // Several routes match: by their paths, by their hosts.
            Self::Routes(..) => Asks { path: "/a1/b/c", host: Some("www.example.org"), ..Asks::ROOT },
            Self::Behind(Policies::Governed, _) => Asks { header: Some(("X-API-Key", Policies::KEY)), ..Asks::ROOT },
            Self::Behind(..) => Asks::ROOT,
        }
    }

    fn plugins(&self) -> Value {
        match self {
            Self::Behind(policies, _) => policies.plugins(),
            _ => Policies::Usual.plugins(),
        }
    }

    fn consumers(&self) -> Value {
        match self {
            Self::Behind(Policies::Governed, _) => json!([{ "name": "bench", "match": [{ "apiKey": Policies::KEY }] }]),
            _ => json!([]),
        }
    }

    fn services(&self) -> Value {
        match self {
            Self::Rule(_) => json!([]),
            Self::Balanced(upstreams) => {
                let targets: Vec<Value> = upstreams.iter().map(target).collect();
                json!([{ "name": "balanced", "upstream": { "algorithm": "round_robin", "targets": targets },
                         "routes": [{ "name": "all", "paths": ["/"] }] }])
            }
            Self::Behind(_, upstream) => {
                json!([{ "name": "one", "upstream": { "targets": [target(upstream)] },
                         "routes": [{ "name": "all", "paths": ["/"] }] }])
            }
            Self::Routes(count, upstream) => {
                let routes: Vec<Value> = (0..*count).map(route).collect();
                let services = routes.chunks(ROUTES_OF_A_SERVICE).enumerate().map(|(at, routes)| {
                    json!({ "name": format!("s{at}"), "upstream": { "targets": [target(upstream)] }, "routes": routes })
                });
                services.collect()
            }
        }
    }
}

fn target(upstream: &u16) -> Value {
    json!({ "url": format!("http://127.0.0.1:{upstream}") })
}

/// Five for each path: for any host, for two kinds of hosts, for a method, and for what lies deeper.
fn route(at: usize) -> Value {
    let (name, path) = (format!("r{at}"), format!("/a{}", at / 5));
    match at % 5 {
        0 => json!({ "name": name, "paths": [path] }),
        1 => json!({ "name": name, "paths": [path], "hosts": [format!("t{at}.example.org")] }),
        2 => json!({ "name": name, "paths": [path], "hosts": ["*.example.org"] }),
        3 => json!({ "name": name, "paths": [path], "methods": ["POST"] }),
        _ => json!({ "name": name, "paths": [format!("{path}/b")] }),
    }
}

/// A running gateway, ended with this value.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) port: u16,
    pub(super) first_answer_ms: f64,
    through: Through,
    level: &'static str,
    file: PathBuf,
    process: Started,
}

impl Gateway {
    /// Starts it and waits for its first answer.
    pub(super) fn start(name: &str, program: &Path, dir: &Path, through: Through, access_log: bool) -> Result<Self> {
        let home = dir.join(name);
        fs::create_dir_all(&home)?;
        let file = home.join("buntime.jsonc");
        // Lines of the access log are of level info.
        let level = if access_log { "info" } else { "warn" };
        // A port known beforehand: reading it from the output would be part of what is measured.
        let port = loopback::free_port()?;
        write(&file, port, &through, level, 0)?;

        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            // The developer's own settings are not what is measured.
            if name.to_string_lossy().starts_with("BUNTIME_") || name == "HOST" || name == "PORT" {
                command.env_remove(name);
            }
        }
        command.arg("--config").arg(&file).current_dir(&home);
        let begun = Instant::now();
        let mut process = Started::new(name, &mut command, dir)?;
        process.wait_until("answering", Duration::from_secs(15), |_| {
            loopback::get(port, through.asks().path).ok().filter(|(status, _)| *status == 200)
        })?;
        let first_answer_ms = begun.elapsed().as_secs_f64() * 1e3;
        Ok(Self { port, first_answer_ms, through, level, file, process })
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
        write(&self.file, self.port, &self.through, self.level, generation)
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
fn write(file: &Path, port: u16, through: &Through, level: &str, generation: u64) -> Result {
    let mut text = json!({
        "server": { "host": "127.0.0.1", "port": port },
        "dataDir": "./data",
        "log": { "level": level, "format": "json" },
        "plugins": through.plugins(),
        "services": through.services(),
        "consumers": through.consumers(),
    });
    if let (Through::Rule(upstream), Some(plugins)) = (through, text["plugins"].as_array_mut()) {
        let rule =
            json!({ "name": rule(generation), "pattern": "^/", "target": format!("http://127.0.0.1:{upstream}") });
        plugins.push(json!(["@buntime/plugin-proxy", { "rules": [rule] }]));
    }
    let beside = file.with_extension("new");
    fs::write(&beside, serde_json::to_string_pretty(&text)?)?;
    fs::rename(&beside, file)?;
    Ok(())
}
