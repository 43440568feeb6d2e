//! The generated JSON schema of the configuration: `config/schema/buntime.schema.json`.

use std::{fs, process::Stdio};

use crate::{
    Result,
    workspace::{cargo, root},
};

const PATH: &str = "config/schema/buntime.schema.json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail if the file is not what would be written
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result {
    let output = cargo().args(["run", "--quiet", "-p", "runner", "--", "schema"]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("`runner schema` failed".into());
    }
    let mut schema = String::from_utf8(output.stdout)?;
    serde_json::from_str::<serde_json::Value>(&schema)
        .map_err(|error| format!("`runner schema` printed something that is not JSON: {error}"))?;
    if !schema.ends_with('\n') {
        schema.push('\n');
    }
    let path = root().join(PATH);
    let there = fs::read_to_string(&path).unwrap_or_default();
    if there == schema {
        println!("schema: {PATH} is up to date");
        return Ok(());
    }
    if args.check {
        let line = 1 + there.lines().zip(schema.lines()).take_while(|(old, new)| old == new).count();
        return Err(format!("{PATH}:{line} is not what `runner schema` prints; run `cargo xtask schema`").into());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, schema)?;
    println!("schema: wrote {PATH}");
    Ok(())
}
