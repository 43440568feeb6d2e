//! Where the workspace is, what is in it, and running cargo in it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::Result;

/// The workspace's root: the folder above this package's.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The cargo that runs this, in the workspace's root, without standard input.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// What `cargo metadata` says, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// One member.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What a member depends on.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` is a normal one; otherwise `dev` or `build`.
    pub(crate) kind: Option<String>,
    pub(crate) optional: bool,
}

/// Asks cargo about the members alone: needs no network.
pub(crate) fn metadata() -> Result<Metadata> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Builds something and returns the program it made, wherever the target directory is.
pub(crate) fn build(target: &str, args: &[&str]) -> Result<PathBuf> {
    let output = cargo()
        .args(["build", "--message-format=json-render-diagnostics"])
        .args(args)
        .stderr(Stdio::inherit())
        .stdout(Stdio::piped())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo build {} failed", args.join(" ")).into());
    }
    let made = String::from_utf8_lossy(&output.stdout).lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        (message.get("target")?.get("name")?.as_str()? == target)
            .then(|| message.get("executable")?.as_str().map(PathBuf::from))?
    });
    made.ok_or_else(|| format!("cargo build {} made no program called `{target}`", args.join(" ")).into())
}
