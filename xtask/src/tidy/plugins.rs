//! What every plugin has: a README, an example that uses it alone, and the compliance suite.

use super::{Problem, Tree, crates};

/// Lines of code an example may have: using a plugin alone is easy, or the plugin is wrong.
const EXAMPLE: usize = 40;
const SUITE: &str = "buntime_testing::compliance";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    crates(tree, "plugins").into_iter().flat_map(|plugin| one(tree, plugin)).collect()
}

fn one(tree: &Tree, plugin: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !tree.contains_key(&format!("{plugin}/README.md")) {
        let what = "is missing; say what the plugin does, each setting, and how to use it alone";
        problems.push(Problem::new(format!("{plugin}/README.md"), what));
    }
    let example = format!("{plugin}/examples/standalone.rs");
    match tree.get(&example).map(|text| lines_of_code(text)) {
        None => problems.push(Problem::new(example, "is missing; mount the plugin in a plain axum router")),
        Some(lines) if lines >= EXAMPLE => {
            problems.push(Problem::new(example, format!("{lines} lines of code; it must be under {EXAMPLE}")));
        }
        Some(_) => {}
    }
    let compliance = format!("{plugin}/tests/compliance.rs");
    match tree.get(&compliance) {
        None => problems.push(Problem::new(compliance, format!("is missing; call `{SUITE}` there"))),
        Some(text) if !text.contains(SUITE) => {
            problems.push(Problem::new(compliance, format!("does not call `{SUITE}`")));
        }
        Some(_) => {}
    }
    problems
}

/// Neither empty nor a comment.
fn lines_of_code(text: &str) -> usize {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixtures::{said, tree};

    #[test]
    fn complete() {
        let example = format!("//! Alone.\n\n{}", "// why\nx();\n".repeat(EXAMPLE - 1));
        assert!(
            check(&tree(&[
                ("plugins/plugin-a/Cargo.toml", ""),
                ("plugins/plugin-a/README.md", "# a"),
                ("plugins/plugin-a/examples/standalone.rs", &example),
                ("plugins/plugin-a/tests/compliance.rs", "buntime_testing::compliance!(A);"),
            ]))
            .is_empty()
        );
    }

    #[test]
    fn wanting() {
        let all = said(check(&tree(&[("plugins/plugin-a/Cargo.toml", "")])));
        assert_eq!(all.len(), 3, "{all:?}");
        let long = said(check(&tree(&[
            ("plugins/plugin-a/Cargo.toml", ""),
            ("plugins/plugin-a/README.md", "# a"),
            ("plugins/plugin-a/examples/standalone.rs", &"x();\n".repeat(EXAMPLE)),
            ("plugins/plugin-a/tests/compliance.rs", "nothing"),
        ])));
        assert!(long[0].contains("40 lines of code; it must be under 40"), "{long:?}");
        assert!(long[1].contains("does not call"), "{long:?}");
    }
}
