//! Each plugin works without the runner: its `examples/standalone.rs` is built, started on a port of its own choice,
//! asked once and ended.
//!
//! An example reads `PORT` (0 here), prints the address it listens on, and ends on SIGINT.

use std::{path::Path, process::Command, time::Duration};

use crate::{
    Result,
    child::Started,
    loopback,
    workspace::{self, root},
};

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these plugins
    plugins: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result {
    let mut failed = Vec::new();
    let mut ran = 0;
    for package in workspace::metadata()?.packages {
        let dir = package.manifest_path.parent().unwrap_or(Path::new("."));
        let wanted = args.plugins.is_empty() || args.plugins.contains(&package.name);
        if !dir.starts_with(root().join("plugins")) || !wanted || !dir.join("examples/standalone.rs").is_file() {
            continue;
        }
        ran += 1;
        match one(&package.name) {
            Ok(status) => println!("examples: {} answered {status}", package.name),
            Err(error) => {
                eprintln!("examples: {}: {error}", package.name);
                failed.push(package.name);
            }
        }
    }
    match failed.as_slice() {
        [] if ran == 0 => Err("no plugin has an examples/standalone.rs, or none of those named".into()),
        [] => Ok(()),
        names => Err(format!("the standalone example failed: {}", names.join(", ")).into()),
    }
}

fn one(plugin: &str) -> Result<u16> {
    let name = format!("{}-standalone", plugin.trim_start_matches("plugin-"));
    let program = workspace::build(&name, &["-p", plugin, "--example", &name])?;
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(program);
    command.env("PORT", "0").current_dir(dir.path());
    let mut example = Started::new(plugin, &mut command, dir.path())?;
    let port = example.wait_until("printing its address", PATIENCE, |example| loopback::port_in(&example.printed()))?;
    let (status, _) = example.wait_until("answering", PATIENCE, |_| loopback::get(port, "/").ok())?;
    if status >= 500 {
        return Err(format!("it answered {status} to GET /; it said:\n{}", example.printed()).into());
    }
    if example.stop("INT")?.is_none() {
        return Err("it did not end on SIGINT and had to be killed".into());
    }
    Ok(status)
}
