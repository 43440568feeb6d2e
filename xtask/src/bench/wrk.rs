//! Driving `wrk` and reading what it prints.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{Result, setup, workspace::root};

/// The program.
#[derive(Debug)]
pub(super) struct Wrk(PathBuf);

/// What to do to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) port: u16,
    pub(super) asks: Asks,
    pub(super) concurrency: u32,
    pub(super) time: Duration,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks {
    pub(super) path: &'static str,
    /// What `Host` says; `None` is the address.
    pub(super) host: Option<&'static str>,
    /// A header field more.
    pub(super) header: Option<(&'static str, &'static str)>,
    /// A script that makes the requests, from the root of the repository.
    pub(super) script: Option<&'static str>,
}

impl Asks {
    /// `/` of the address.
    pub(super) const ROOT: Self = Self { path: "/", host: None, header: None, script: None };
}

/// What one run measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Measured {
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) requests: u64,
    pub(super) not_2xx: u64,
    pub(super) socket_errors: u64,
}

impl Measured {
    /// Requests that were not answered well.
    pub(super) fn failures(&self) -> u64 {
        self.not_2xx + self.socket_errors
    }
}

impl Wrk {
    pub(super) fn find() -> Result<Self> {
        setup::find("wrk").map(Self).ok_or_else(|| "wrk is not there; run `cargo xtask setup`".into())
    }

    pub(super) fn run(&self, load: &Load) -> Result<Measured> {
        self.start(load)?.finish()
    }

    pub(super) fn start(&self, load: &Load) -> Result<Running> {
        let mut command = Command::new(&self.0);
        if let Some(host) = load.asks.host {
            command.arg("-H").arg(format!("Host: {host}"));
        }
        if let Some((name, value)) = load.asks.header {
            command.arg("-H").arg(format!("{name}: {value}"));
        }
        if let Some(script) = load.asks.script {
            command.arg("-s").arg(root().join(script));
        }
        let child = command
            .arg(format!("-t{}", load.concurrency.min(2)))
            .arg(format!("-c{}", load.concurrency))
            .arg(format!("-d{}s", load.time.as_secs().max(1)))
            .arg("--latency")
            .arg(format!("http://127.0.0.1:{}{}", load.port, load.asks.path))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        Ok(Running(Some(child)))
    }
}

/// A run that is under way; ended with this value.
#[derive(Debug)]
pub(super) struct Running(Option<Child>);

impl Running {
    pub(super) fn ended(&mut self) -> Result<bool> {
        Ok(match &mut self.0 {
            Some(child) => child.try_wait()?.is_some(),
            None => true,
        })
    }

    pub(super) fn finish(mut self) -> Result<Measured> {
        let output = self.0.take().ok_or("wrk was waited for twice")?.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("wrk failed ({}): {text}", output.status).into());
        }
        read(&text).ok_or_else(|| format!("cannot read what wrk says:\n{text}").into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read(text: &str) -> Option<Measured> {
    let after = |word: &str| text.lines().find_map(|line| line.trim().strip_prefix(word).map(str::trim));
    let requests = text.lines().find_map(|line| line.split_once(" requests in ").map(|(count, _)| count.trim()))?;
    let sockets = after("Socket errors:").map_or(0, |line| {
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u64>().ok()).sum()
    });
    Some(Measured {
        per_second: after("Requests/sec:")?.parse().ok()?,
        p50_us: microseconds(after("50%")?)?,
        p99_us: microseconds(after("99%")?)?,
        requests: requests.parse().ok()?,
        not_2xx: after("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.parse().ok())?,
        socket_errors: sockets,
    })
}

/// `636.00us`, `1.23ms`, `2.00s`, `1.10m`.
fn microseconds(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let scale = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Running 3s test @ http://127.0.0.1:1/
  2 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms    1.14ms  25.10ms   90.50%
    Req/Sec    30.12k     2.33k   36.02k    68.33%
  Latency Distribution
     50%  636.00us
     75%    1.23ms
     90%    2.24ms
     99%    5.61ms
  180123 requests in 3.01s, 226.14MB read
  Socket errors: connect 0, read 3, write 0, timeout 1
  Non-2xx or 3xx responses: 7
Requests/sec:  59842.11
Transfer/sec:     75.13MB
";

    #[test]
    fn reads_what_wrk_says() {
        let measured = read(TEXT).unwrap();
        let expected = Measured {
            per_second: 59842.11,
            p50_us: 636.0,
            p99_us: 5610.0,
            requests: 180_123,
            not_2xx: 7,
            socket_errors: 4,
        };
        assert_eq!((measured, measured.failures()), (expected, 11));
        let clean: String = TEXT
            .lines()
            .filter(|line| !line.contains("rrors:") && !line.contains("Non-"))
            .fold(String::new(), |text, line| text + line + "\n");
        assert_eq!(read(&clean).unwrap().failures(), 0);
        assert_eq!(read("unable to connect"), None);
    }
}
