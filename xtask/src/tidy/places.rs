//! Nothing that is committed names the machine it was written on, or a package registry of its own.

use super::{Problem, Tree};

/// Home and checkout folders of build machines. Put together so that this file does not break its rule.
const FOLDERS: [&str; 2] = [concat!("/", "work/"), concat!("/", "root/")];

/// Where packages may come from, as lock files say it.
const REGISTRIES: [&str; 4] = [
    "registry+https://github.com/rust-lang/crates.io-index",
    "https://registry.npmjs.org/",
    "https://registry.yarnpkg.com/",
    "https://jsr.io/",
];

/// Words in a lock file that are followed by where a package comes from.
const SOURCES: [&str; 3] = ["source = \"registry+", "\"resolved\": \"", "resolved \""];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (file, text) in tree {
        let lock = ["Cargo.lock", "package-lock.json", "yarn.lock"].iter().any(|name| file.ends_with(name));
        let settings =
            [".npmrc", ".cargo/config.toml", "bunfig.toml", ".yarnrc"].iter().any(|name| file.ends_with(name));
        for (at, line) in text.lines().enumerate() {
            if let Some(folder) = FOLDERS.iter().find(|folder| names(line, folder)) {
                let what = format!("names the machine's folder `{folder}`; use a path from the workspace's root");
                problems.push(Problem::at(file, at + 1, what));
            }
            let other_source = lock
                && SOURCES.iter().any(|word| line.contains(word))
                && !REGISTRIES.iter().any(|known| line.contains(known));
            let registry = settings && (line.contains("registry") || line.contains("[source"));
            if other_source || registry {
                let what = "names a package registry; that belongs in the user's own settings";
                problems.push(Problem::at(file, at + 1, what));
            }
        }
    }
    problems
}

/// Does a path begin there, rather than go on (`frame/work/`)?
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        !line.get(..at).unwrap_or_default().ends_with(|c: char| c.is_alphanumeric() || "._-)}]*/$~".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixtures::{said, tree};

    #[test]
    fn folders() {
        let [work, root] = FOLDERS;
        let bad = format!("a\ncd {work}main\n\"{root}x\"\n");
        let good = format!("http://host{work}x {{dir}}{root}y ./frame{work}\n");
        let said = said(check(&tree(&[("bad.md", &bad), ("good.md", &good)])));
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("bad.md:2: names the machine's folder"));
    }

    #[test]
    fn registries() {
        let good = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert!(check(&tree(&[("Cargo.lock", good)])).is_empty());
        let bad = "source = \"registry+https://mirror.example/index\"\n";
        let npm = "\"resolved\": \"http://mirror.example/x.tgz\",\n";
        let config = "[source.crates-io]\nregistry = \"https://mirror.example\"\n";
        let said =
            said(check(&tree(&[("Cargo.lock", bad), ("a/package-lock.json", npm), (".cargo/config.toml", config)])));
        assert_eq!(said.len(), 4, "{said:?}");
    }
}
