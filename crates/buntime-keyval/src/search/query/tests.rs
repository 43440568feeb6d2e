//! How queries are read, and what is said of those that cannot be.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn fields() -> Vec<FieldPath> {
    ["title", "author.name"].iter().map(|path| FieldPath::new(path).unwrap()).collect()
}

fn read(text: &str) -> Result<Node> {
    parse(text, &fields(), Tokenizer::Unicode61)
}

/// With every grouping written out.
fn shown(node: &Node) -> String {
    let list = |nodes: &[Node]| nodes.iter().map(shown).collect::<Vec<_>>().join(" ");
    match node {
        Node::Leaf(leaf) => {
            let mut text = leaf.field.map(|field| format!("{field}:")).unwrap_or_default();
            text.push_str(&leaf.terms.join("+"));
            if leaf.prefix {
                text.push('*');
            }
            text
        }
        Node::And { all, not } if not.is_empty() => format!("({})", list(all)),
        Node::And { all, not } => format!("({} - {})", list(all), list(not)),
        Node::Or(any) => any.iter().map(shown).collect::<Vec<_>>().join("|"),
    }
}

#[test]
fn how_queries_are_understood() {
    for (text, expected) in [
        ("Wine", "wine"),
        ("red wine", "(red wine)"),
        ("\"red wine\" cell*", "(red+wine cell*)"),
        ("foo-bar*", "foo+bar*"),
        ("rock & roll", "(rock roll)"),
        ("a OR b c", "a|(b c)"),
        ("a OR b AND c", "a|(b c)"),
        ("a b NOT c d", "((a b) - (c d))"),
        ("a NOT b NOT c", "(a - b c)"),
        ("a AND NOT b AND c", "(a c - b)"),
        ("a (b OR c) d", "(a b|c d)"),
        ("title:a author.name:\"b c\"", "(0:a 1:b+c)"),
        ("title:(a OR b) c", "(0:a|0:b c)"),
        ("and or not And", "(and or not and)"),
        ("\"say \"\"hi\"\" AND\"", "say+hi+and"),
        ("a OR &", "a"),
        ("AND*", "and*"),
    ] {
        assert_eq!(read(text).map(|node| shown(&node)).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_wrong_and_where() {
    let mut said = String::new();
    for text in [
        "",
        " & ",
        "a AND",
        "a OR OR b",
        "NOT a",
        "a NOT",
        "(a",
        "a)",
        "a \"b",
        "*a",
        "a * b",
        ":a",
        "nosuch:a",
        "title:",
        "title:OR",
        "title:(author.name:a)",
        "é é \"\"",
        "title:&",
        "a AND ()",
        "^a",
        "NEAR(a b)",
        "http://x",
        "& NOT a",
        "a*b c*d*",
    ] {
        let error = read(text).map(|node| shown(&node));
        let _ = writeln!(said, "{text:?}: {}", error.unwrap_or_else(|error| error.to_string()));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn queries_have_limits() {
    assert!(matches!(read(&"a".repeat(LONGEST + 1)), Err(Error::Limit(_))));
    assert!(matches!(read(&"a ".repeat(MOST_TERMS + 1)), Err(Error::Query { .. })));
    assert!(read(&"(".repeat(LONGEST)).is_err());
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(read(&nested(DEEPEST)).is_ok() && read(&nested(DEEPEST + 1)).is_err());
}

proptest! {
    #[test]
    fn any_text_is_understood_or_refused_at_a_place_in_it(text in "[ab \"()*:éANDORT^&]{0,30}|\\PC{0,30}") {
        match read(&text) {
            Err(Error::Query { at, .. }) => prop_assert!((1..=text.chars().count() + 1).contains(&at)),
            other => prop_assert!(other.is_ok(), "{:?}", other),
        }
    }
}
