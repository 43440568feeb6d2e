//! Manifests: lints, metadata and versions come from the workspace, so that there is one place to change them.
//!
//! Read line by line, as manifests here are written: one key a line, inline tables for dependencies.

use super::{Problem, Tree};

/// Keys of `[package]` that the workspace gives.
const SHARED: [&str; 4] = ["version", "edition", "rust-version", "license"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let members = tree.iter().filter(|(file, _)| file.ends_with("/Cargo.toml") && !file.contains("/fuzz/"));
    members.flat_map(|(file, text)| manifest(file, text)).collect()
}

fn manifest(file: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut section = "";
    let mut lints = false;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some(head) = line.strip_prefix('[') {
            section = head.trim_end_matches(']').trim_end_matches('[');
            if let Some(name) = named_dependency(section) {
                let what = format!("write `{name} = {{ workspace = true }}` below its table, as elsewhere");
                problems.push(Problem::at(file, at + 1, what));
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else { continue };
        match section {
            "lints" => lints |= key == "workspace" && value == "true",
            "package" if SHARED.contains(&key) => {
                problems.push(Problem::at(file, at + 1, format!("write `{key}.workspace = true`")));
            }
            _ if is_dependencies(section) && !from_workspace(key, value) => {
                let what = format!(
                    "`{key}` must come from the workspace: name its version in the root's Cargo.toml and write `{key} = {{ workspace = true }}`"
                );
                problems.push(Problem::at(file, at + 1, what));
            }
            _ => {}
        }
    }
    if !lints {
        problems.push(Problem::new(file, "has no `[lints]` with `workspace = true`"));
    }
    problems
}

/// `dependencies`, `dev-dependencies`, `target.….build-dependencies`.
fn is_dependencies(section: &str) -> bool {
    let last = section.rsplit('.').next().unwrap_or_default();
    matches!(last, "dependencies" | "dev-dependencies" | "build-dependencies")
}

/// The `x` of `[dependencies.x]`.
fn named_dependency(section: &str) -> Option<&str> {
    let (table, name) = section.rsplit_once('.')?;
    is_dependencies(table).then_some(name)
}

fn from_workspace(key: &str, value: &str) -> bool {
    let spaceless: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    key.ends_with(".workspace") && spaceless == "true" || spaceless.contains("workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixtures::{said, tree};

    #[test]
    fn as_it_should_be() {
        let good = "[package]\nname = \"x\"\nversion.workspace = true\n\n[lints]\nworkspace = true\n\n[dependencies]\n\
                    a = { workspace = true }\nb.workspace = true\nc = { workspace = true, optional = true }\n\n\
                    [target.'cfg(unix)'.dependencies]\nd = {workspace=true}\n";
        assert!(check(&tree(&[("crates/x/Cargo.toml", good), ("Cargo.toml", "[workspace]")])).is_empty());
    }

    #[test]
    fn as_it_should_not() {
        let bad = "[package]\nversion = \"1.0.0\"\n[dependencies]\na = \"1\"\n[dev-dependencies.b]\nversion = \"2\"\n";
        let said = said(check(&tree(&[("crates/x/Cargo.toml", bad)])));
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[0].contains("Cargo.toml:2: write `version.workspace = true`"));
        assert!(said[1].contains("Cargo.toml:4: `a` must come from the workspace"));
        assert!(said[2].contains("Cargo.toml:5: write `b = { workspace = true }`"));
        assert!(said[3].contains("has no `[lints]`"));
    }
}
