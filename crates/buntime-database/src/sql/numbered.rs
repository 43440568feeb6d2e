//! Parameters as clients of SQLite write them, `?` and `:name`, as numbers: what every engine knows.

use super::{Dialect, Kind, Token, tokens};

/// A statement whose parameters are `?1`, `?2`, …
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The statement.
    pub sql: String,
    /// Which of the names come behind the arguments by position, in order.
    pub names: Vec<usize>,
}

/// Rewrites a statement for an adapter of that type. `positional` arguments are given by position, and some by these names,
/// without their signs. `None`: there is nothing to rewrite.
///
/// In PostgreSQL `?` and `@` are operators, and `:` stands in slices. So `?` is taken for a parameter only where there are
/// exactly as many as arguments and none has a number, and a name only if it is given.
pub fn numbered(kind: &str, sql: &str, positional: usize, names: &[&str]) -> Option<Numbered> {
    let dialect = if kind == "postgres" { Dialect::Postgres } else { Dialect::Sqlite };
    let all: Vec<Token<'_>> = tokens(sql, dialect).collect();
    let is = |token: &Token<'_>, text: &str| token.kind == Kind::Other && token.text == text;
    if all.iter().any(|token| matches!(token.kind, Kind::Parameter(_))) {
        return None;
    }
    let takes_marks = positional > 0 && all.iter().filter(|token| is(token, "?")).count() == positional;
    let first_name = if takes_marks { positional } else { 0 };
    let (mut marks, mut used, mut out) = (0, Vec::new(), String::with_capacity(sql.len()));
    let mut at = 0;
    while let Some(token) = all.get(at) {
        let before = at.checked_sub(1).and_then(|at| all.get(at));
        let name = all.get(at + 1).filter(|next| next.kind == Kind::Word);
        let name = name.and_then(|next| names.iter().position(|name| *name == next.text));
        let begins =
            [":", "@", "$"].iter().any(|sign| is(token, sign)) && !before.is_some_and(|before| is(before, ":"));
        match name {
            Some(name) if begins => {
                let place = used.iter().position(|known| *known == name).unwrap_or_else(|| {
                    used.push(name);
                    used.len() - 1
                });
                out.push_str(&format!("?{}", first_name + place + 1));
                at += 2;
            }
            _ if takes_marks && is(token, "?") => {
                marks += 1;
                out.push_str(&format!("?{marks}"));
                at += 1;
            }
            _ => {
                out.push_str(token.text);
                at += 1;
            }
        }
    }
    (marks > 0 || !used.is_empty()).then_some(Numbered { sql: out, names: used })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(sql: &str, positional: usize, names: &[&str]) -> Option<(String, Vec<usize>)> {
        numbered("postgres", sql, positional, names).map(|numbered| (numbered.sql, numbered.names))
    }

    #[test]
    fn marks_and_names() {
        let some = |sql: &str, names: &[usize]| Some((sql.to_owned(), names.to_vec()));
        assert_eq!(rewritten("SELECT ?, '?', ? -- ?", 2, &[]), some("SELECT ?1, '?', ?2 -- ?", &[]));
        let sql = "SELECT :b, @a, :b, $b::text, x[1:2], y[a:c], ':a' FROM t";
        let expected = "SELECT ?1, ?2, ?1, ?1::text, x[1:2], y[a:c], ':a' FROM t";
        assert_eq!(rewritten(sql, 0, &["a", "b", "unused"]), some(expected, &[1, 0]));
        assert_eq!(rewritten("SELECT ?, :a", 1, &["a"]), some("SELECT ?1, ?2", &[0]));
    }

    #[test]
    fn each_engine_has_its_own_quotes() {
        let sql = "SELECT [:a], `:a`, :a";
        assert_eq!(numbered("sqlite", sql, 0, &["a"]).unwrap().sql, "SELECT [:a], `:a`, ?1");
    }

    #[test]
    fn what_is_let_be() {
        for (sql, positional, names) in [
            ("SELECT 1", 0, &[][..]),
            ("SELECT doc ? 'k' FROM t", 0, &[]),
            ("SELECT doc ? 'k' FROM t WHERE id = ?1", 1, &[]),
            ("SELECT doc ? ? FROM t", 1, &[]),
            ("SELECT $1", 1, &[]),
            ("SELECT a::text, b @> c", 0, &["text", "c"]),
        ] {
            assert_eq!(rewritten(sql, positional, names), None, "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(sql in "[?:@$a '\"]{0,30}", positional in 0..3_usize) {
            if let Some(numbered) = numbered("postgres", &sql, positional, &["a"]) {
                proptest::prop_assert!(numbered.names.len() <= 1);
            }
        }
    }
}
