//! Scripts in the real Deno, and in Node with packages of npm.

use std::{path::PathBuf, process::Stdio};

use crate::skipped;

/// What a script printed.
#[derive(Debug)]
pub struct Script {
    /// To stdout.
    pub out: String,
    /// To stderr.
    pub err: String,
    /// Did it end well?
    pub success: bool,
}

/// Runs a script in Deno, with what it may use of the environment; `None` skips the test.
///
/// # Panics
/// If it does not end in time.
pub async fn deno(script: &str, args: &[&str], env: &[(&str, &str)]) -> Option<Script> {
    let Some(found) = program("deno") else {
        skipped("needs deno; `cargo xtask setup` installs it");
        return None;
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("script.ts");
    std::fs::write(&file, script).expect("a script");
    let mut command = tokio::process::Command::new(found);
    command.args(["run", "--no-check", "--quiet", "--unstable-kv", "--allow-net", "--allow-env"]).arg(&file).args(args);
    // Its cache is a matter of this test, and nothing is fetched.
    command.env("DENO_DIR", dir.path()).env("DENO_NO_UPDATE_CHECK", "1").envs(env.iter().copied());
    Some(run(command).await)
}

/// Runs a module in Node, which finds global packages through the first argument; `None` skips the test.
///
/// # Panics
/// If it does not end in time.
pub async fn node(script: &str, package: &str, args: &[&str]) -> Option<Script> {
    let root = std::process::Command::new("npm").args(["root", "--global"]).stdin(Stdio::null()).output().ok();
    let root = root.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let Some(root) = root.filter(|root| root.join(package).is_dir()) else {
        skipped(&format!("needs node and npm's {package}; `cargo xtask setup` installs them"));
        return None;
    };
    let mut command = tokio::process::Command::new("node");
    command.args(["--no-warnings", "--input-type=module", "-e", script]).arg(root).args(args);
    Some(run(command).await)
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

async fn run(mut command: tokio::process::Command) -> Script {
    command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("a program that was found");
    let output = tokio::time::timeout(3 * crate::PATIENCE, child.wait_with_output()).await.expect("a script that ends");
    let output = output.expect("what it printed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Script { out: text(&output.stdout), err: text(&output.stderr), success: output.status.success() }
}

impl Script {
    /// What it printed, if it ended well.
    ///
    /// # Panics
    /// With what it complained about.
    pub fn out(self) -> String {
        assert!(self.success, "{}\n{}", self.out, self.err);
        self.out
    }
}
