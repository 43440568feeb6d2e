//! The contract: each rule of `crates/buntime-core/CONTRACT.md` names a test that exists.
//!
//! A rule is an item `- …`, over one line or several; it ends with its test, or several, as `` `path::to::test` ``.

use super::{Problem, Tree, rust};

const FILE: &str = "crates/buntime-core/CONTRACT.md";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    // Before the plugin API has a contract there is nothing to hold.
    let Some(text) = tree.get(FILE) else {
        return if tree.contains_key("crates/buntime-core/Cargo.toml") {
            vec![Problem::new(FILE, "is missing; restate each rule in a line, with the test that holds it")]
        } else {
            Vec::new()
        };
    };
    let mut problems = Vec::new();
    for (line, rule) in rules(text) {
        let tests = tests(&rule);
        if tests.is_empty() {
            problems.push(Problem::at(FILE, line, "this rule does not end with the name of its test in backticks"));
        }
        for test in tests {
            let name = test.rsplit("::").next().unwrap_or(test);
            let declared = format!("fn {name}(");
            if !rust(tree).any(|(_, text)| text.contains(&declared)) {
                problems.push(Problem::at(
                    FILE,
                    line,
                    format!("there is no test `{test}`: no `{declared}…)` anywhere"),
                ));
            }
        }
    }
    problems
}

/// Each item with the number of its first line, joined.
fn rules(text: &str) -> Vec<(usize, String)> {
    let mut rules: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        if line.starts_with("- ") {
            rules.push((at + 1, line.to_owned()));
            open = true;
        } else if open && line.starts_with(' ') && !line.trim().is_empty() {
            if let Some((_, rule)) = rules.last_mut() {
                rule.push(' ');
                rule.push_str(line.trim());
            }
        } else {
            open = false;
        }
    }
    rules
}

/// The backticked names at the end, separated by commas or blanks.
fn tests(rule: &str) -> Vec<&str> {
    let mut tests = Vec::new();
    let mut rest = rule.trim_end().trim_end_matches(['.', ')']);
    while let Some((before, name)) = rest.strip_suffix('`').and_then(|rest| rest.rsplit_once('`')) {
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        // A second one is a test only if it is a path too: the rule's own words may end in code.
        if !is_name || !tests.is_empty() && !name.contains("::") {
            break;
        }
        tests.push(name);
        rest = before.trim_end().trim_end_matches(',').trim_end();
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixtures::{said, tree};

    fn contract(text: &str) -> Vec<String> {
        let code = "//! Tests.\n#[test]\nfn there() {}\nasync fn also_there() {}\n";
        said(check(&tree(&[(FILE, text), ("crates/a/tests/a.rs", code)])))
    }

    #[test]
    fn rules_with_tests() {
        let text = "# Contract\n\nWords.\n\n- A rule about `pre`. `order::there`\n- A long rule\n  goes on. \
                    `order::there`, `a::also_there`\n";
        assert_eq!(contract(text), [""; 0]);
    }

    #[test]
    fn rules_without() {
        let said = contract("- A rule.\n- Another. `order::missing`\n- `order::missing` and more.\n");
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("CONTRACT.md:1: this rule does not end with"), "{said:?}");
        assert!(said[1].contains("CONTRACT.md:2: there is no test `order::missing`"), "{said:?}");
        assert!(said[2].contains("CONTRACT.md:3: this rule does not end with"), "{said:?}");
    }
}
