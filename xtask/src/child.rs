//! A program that was started here and is ended here, by its own process id, whatever happens in between.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::{Result, loopback};

/// How often a port that was taken meanwhile is replaced.
const TRIES: usize = 5;
/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Ends with this value. Its output goes to a file: reading a pipe would take processor time from what is measured.
#[derive(Debug)]
pub(crate) struct Started {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Started {
    /// Starts it with both outputs in `<dir>/<name>.log`.
    pub(crate) fn new(name: &str, command: &mut Command, dir: &Path) -> Result<Self> {
        let output = dir.join(format!("{name}.log"));
        let log = File::create(&output)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {name} ({:?}): {error}", command.get_program()))?;
        Ok(Self { name: name.to_owned(), child, output })
    }

    /// Starts one that answers `/` with 200 on the free port that it is told, and waits until it does.
    pub(crate) fn listening(name: &str, dir: &Path, command: impl Fn(u16) -> Result<Command>) -> Result<(u16, Self)> {
        let mut last = None;
        for _ in 0..TRIES {
            let port = loopback::free_port()?;
            let mut process = Self::new(name, &mut command(port)?, dir)?;
            let ready = process.wait_until("answering", Duration::from_secs(5), |_| {
                loopback::get(port, "/").ok().filter(|(status, _)| *status == 200)
            });
            match ready {
                Ok(_) => return Ok((port, process)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| format!("{name} was never started").into()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub(crate) fn printed(&self) -> String {
        std::fs::read(&self.output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Polls until `look` finds something, the program ends, or the time is up; the error shows what it printed.
    pub(crate) fn wait_until<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + patience;
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            let name = &self.name;
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{name} ended ({status}) before {what}; it said:\n{}", self.printed()).into());
            }
            if Instant::now() >= end {
                return Err(format!("{name}: not {what} within {patience:?}; it said:\n{}", self.printed()).into());
            }
            pause(Duration::from_millis(1));
        }
    }

    /// Sends a signal by name, to this process alone.
    pub(crate) fn signal(&self, signal: &str) -> Result {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.pid().to_string()).status()?;
        if status.success() { Ok(()) } else { Err(format!("cannot signal {}", self.name).into()) }
    }

    /// Asks it to end and waits; `None` if it did not, and had to be killed.
    pub(crate) fn stop(&mut self, signal: &str) -> Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status));
        }
        self.signal(signal)?;
        let end = Instant::now() + GRACE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            pause(Duration::from_millis(5));
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(None)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Asked first: nginx's master must end its workers.
        if self.stop("TERM").is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits between two looks at something that does not tell.
pub(crate) fn pause(time: Duration) {
    std::thread::park_timeout(time);
}
