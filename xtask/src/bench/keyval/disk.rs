//! A disk whose flushes take longer. On a fast disk one commit for each write is fast too, and what commits in groups are
//! for does not show.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{Result, workspace::root};

/// By how much each flush takes longer, and the library that sees to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Option<(Duration, PathBuf)>);

impl Disk {
    /// Compiles the library into `dir`, unless the disk is to be as it is.
    pub(super) fn new(longer: Duration, dir: &Path) -> Result<Self> {
        if longer.is_zero() {
            return Ok(Self::default());
        }
        let library = dir.join("flush.so");
        let source = root().join("xtask/src/bench/keyval/flush.c");
        let output = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).output();
        let output = output.map_err(|error| format!("--flush needs a C compiler: cc: {error}"))?;
        if !output.status.success() {
            return Err(format!("cc: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(Self(Some((longer, library))))
    }

    /// Has a program write to it.
    pub(super) fn under<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match &self.0 {
            Some((longer, library)) => {
                command.env("LD_PRELOAD", library).env("FLUSH_US", longer.as_micros().to_string())
            }
            None => command,
        }
    }
}
