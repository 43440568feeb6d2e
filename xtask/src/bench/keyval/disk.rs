//! A disk whose flushes take longer. On a fast disk one commit for each write is fast too, and what commits in groups are
//! for does not show; `strace` holds each flush back, and nothing else.

use std::{process::Command, time::Duration};

use crate::{Result, setup};

/// By how much each flush takes longer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Disk(pub(super) Duration);

impl Disk {
    /// The same program on such a disk, under its own process id.
    pub(super) fn under(self, command: Command) -> Result<Command> {
        if self.0.is_zero() {
            return Ok(command);
        }
        let strace = setup::find("strace").ok_or("strace is not there; --flush needs it (Debian: strace)")?;
        let mut slowed = Command::new(strace);
        // The tracer is nobody's parent (-D), and is woken by flushes only (--seccomp-bpf).
        slowed.args(["-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e"]);
        slowed.arg(format!("inject=fsync,fdatasync:delay_exit={}", self.0.as_micros()));
        slowed.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => slowed.env(name, value),
                None => slowed.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            slowed.current_dir(dir);
        }
        Ok(slowed)
    }
}
