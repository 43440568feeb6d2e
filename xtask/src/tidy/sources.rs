//! Rust files: each says at its head what it is for, and stays short enough to be read.

use std::collections::BTreeMap;

use super::{Problem, Tree, rust};

/// Lines of one file of a crate's `src`.
const FILE: usize = 500;
/// Lines of a crate's `src` together, the tests at the ends of its files aside.
const CRATE: usize = 10_000;

/// Those that may be larger, each with the reason.
const LARGE: &[(&str, usize, &str)] =
    &[("crates/buntime-core", 10_500, "it depends on no crate of ours, so all that the plugin API needs lives in it")];

/// Files that may be longer, each with the reason.
const LONG: &[(&str, &str)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for (file, text) in rust(tree) {
        if !text.starts_with("//!") {
            problems.push(Problem::at(file, 1, "begin with a `//!` header: what this file is for, and its limits"));
        }
        let Some((folder, _)) = file.split_once("/src/") else { continue };
        let lines = text.lines().count();
        *sizes.entry(folder).or_default() += without_tests(text);
        problems.extend(length(file, lines));
    }
    for (folder, lines) in sizes {
        let most = LARGE.iter().find(|(large, ..)| *large == folder).map_or(CRATE, |(_, most, _)| *most);
        if lines > most {
            let what = format!("{lines} lines of source, more than {most}: make two crates of it");
            problems.push(Problem::new(format!("{folder}/src"), what));
        }
    }
    let gone = LONG.iter().filter(|(file, _)| !tree.contains_key(*file));
    problems.extend(gone.map(|(file, _)| Problem::new(*file, "is listed as long in xtask and is not there")));
    problems
}

fn without_tests(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

fn length(file: &str, lines: usize) -> Option<Problem> {
    let listed = LONG.iter().any(|(long, _)| *long == file);
    match (lines > FILE, listed) {
        (true, false) => Some(format!(
            "{lines} lines, more than {FILE}: split it by what it does (or list it with a reason in xtask/src/tidy/sources.rs)"
        )),
        (false, true) => Some("is no longer too long: take it off the list in xtask/src/tidy/sources.rs".to_owned()),
        _ => None,
    }
    .map(|what| Problem::new(file, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixtures::{said, tree};

    #[test]
    fn headers_and_sizes() {
        let long = format!("//! Long.\n{}", "x\n".repeat(FILE));
        let huge: Vec<(String, String)> =
            (0..21).map(|n| (format!("crates/huge/src/{n}.rs"), format!("//! Huge.\n{}", "x\n".repeat(490)))).collect();
        let mut files = tree(&[
            ("crates/a/src/lib.rs", "//! Fine.\n"),
            ("crates/a/src/bare.rs", "use x;\n"),
            ("crates/a/src/long.rs", &long),
            ("crates/a/tests/long.rs", &long),
        ]);
        files.extend(huge);
        let said = said(check(&files));
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("crates/a/src/bare.rs:1: begin with a `//!` header"));
        assert!(said[1].starts_with("crates/a/src/long.rs: 501 lines"));
        assert!(said[2].starts_with("crates/huge/src: 10311 lines"));
    }
}
