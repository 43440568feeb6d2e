//! The rules of the house that a compiler does not check. Every problem is printed, with its file and what to do.
//!
//! A rule is a function of a [`Tree`] (or of what cargo says of the members), so that it is tested on a small one.

mod contract;
mod dependencies;
mod manifests;
mod places;
mod plugins;
mod sources;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Result,
    workspace::{self, root},
};

/// Files that the top level must have.
const REQUIRED: [&str; 4] = ["README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md"];

/// The text files of the workspace by their path from its root, with `/`.
type Tree = BTreeMap<String, String>;

/// What is wrong, where, and what to do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    file: String,
    line: Option<usize>,
    what: String,
}

impl Problem {
    fn new(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, what: what.into() }
    }

    fn at(file: impl Into<String>, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.into(), line: Some(line), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

pub(crate) fn run() -> Result {
    let tree = read()?;
    let members = dependencies::members(&workspace::metadata()?)?;
    let mut problems: Vec<Problem> = REQUIRED
        .iter()
        .filter(|file| !tree.contains_key(**file))
        .map(|file| Problem::new(*file, "is missing; the top level must have it"))
        .collect();
    problems.extend(dependencies::check(&members));
    problems.extend(manifests::check(&tree));
    problems.extend(sources::check(&tree));
    problems.extend(plugins::check(&tree));
    problems.extend(contract::check(&tree));
    problems.extend(places::check(&tree));
    problems.sort();
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => {
            println!("tidy: {} files, {} packages, nothing to say", tree.len(), members.len());
            Ok(())
        }
        1 => Err("tidy: 1 problem".into()),
        many => Err(format!("tidy: {many} problems").into()),
    }
}

/// What git tracks or would track; what is not UTF-8 is no text and has no rules.
fn read() -> Result<Tree> {
    let root = root();
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(&root)
        .stdin(Stdio::null())
        .output();
    let files = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8(output.stdout)?.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        // A source archive has no git.
        _ => {
            let mut files = Vec::new();
            walk(&root, "", &mut files)?;
            files
        }
    };
    let text = |name: String| fs::read_to_string(root.join(&name)).ok().map(|text| (name, text));
    Ok(files.into_iter().filter_map(text).collect())
}

fn walk(dir: &Path, prefix: &str, files: &mut Vec<String>) -> Result {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !["target", "data", "node_modules", ".git"].contains(&name.as_str()) {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The Rust files.
fn rust(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.iter().filter(|(file, _)| file.ends_with(".rs")).map(|(file, text)| (file.as_str(), text.as_str()))
}

/// The folders `area/x` that have a manifest, as `area/x`.
fn crates<'a>(tree: &'a Tree, area: &str) -> Vec<&'a str> {
    let parts = |file: &&str| file.split('/').count() == 3;
    let prefix = format!("{area}/");
    tree.keys()
        .map(String::as_str)
        .filter(|file| file.starts_with(&prefix) && file.ends_with("/Cargo.toml"))
        .filter(parts)
        .filter_map(|file| file.strip_suffix("/Cargo.toml"))
        .collect()
}

#[cfg(test)]
mod fixtures {
    //! Small trees.

    use super::{Problem, Tree};

    /// A tree of these files.
    pub(super) fn tree(files: &[(&str, &str)]) -> Tree {
        files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    }

    /// The problems as they are printed.
    pub(super) fn said(problems: Vec<Problem>) -> Vec<String> {
        problems.into_iter().map(|problem| problem.to_string()).collect()
    }
}
