//! What is refused before a server sees it.

use crate::{
    Error, ErrorKind, Result, Statement, Value,
    sql::{Class, Dialect, Kind, classify, first_word, split, tokens},
};

/// Looks at one statement, and tells what it is. `session`: it may begin and end transactions.
pub(super) fn judge(statement: &Statement, session: bool) -> Result<Class> {
    let list = split(&statement.sql, Dialect::Sqlite);
    let [sql] = list.as_slice() else {
        let what = if list.is_empty() {
            "there is no statement"
        } else {
            "there is more than one statement; send them as a transaction"
        };
        return Err(Error::new(ErrorKind::Syntax, what));
    };
    let class = classify(sql, Dialect::Sqlite);
    if class == Class::Transaction && !session {
        return Err(refusal("BEGIN, COMMIT and ROLLBACK"));
    }
    let is = |word: &str| first_word(sql, Dialect::Sqlite).is_some_and(|first| first.eq_ignore_ascii_case(word));
    if ["attach", "detach", "vacuum"].into_iter().any(is) {
        return Err(refusal("ATTACH, DETACH and VACUUM"));
    }
    // Those that set something; the server refuses the rest of what it does not know.
    if is("pragma") && sql.contains('=') {
        return Err(refusal("this PRAGMA"));
    }
    let mut words = tokens(sql, Dialect::Sqlite).filter(|token| token.kind == Kind::Word).take(2).skip(1);
    if is("create") && words.any(|word| word.is("temp") || word.is("temporary")) {
        return Err(refusal("temporary tables, views and triggers"));
    }
    arguments(sql, &statement.args, session)?;
    Ok(class)
}

fn refusal(what: &str) -> Error {
    Error::new(ErrorKind::NotAllowed, format!("{what} cannot be used here: they would reach others"))
}

fn arguments(sql: &str, args: &[Value], session: bool) -> Result<()> {
    for (at, value) in args.iter().enumerate() {
        let why = match value {
            Value::Real(real) if real.is_nan() => "is not a number (NaN)",
            Value::Real(real) if real.is_infinite() => "is infinite, which libSQL's JSON cannot carry",
            _ => continue,
        };
        return Err(Error::new(ErrorKind::Argument, format!("argument {} {why}", at + 1)));
    }
    // Names (`:a`) are the server's to count, and clients of sessions have them.
    if let Some(takes) = parameters(sql).filter(|takes| *takes != args.len() && !session) {
        let given = args.len();
        let what = format!("the statement takes {takes} arguments, and {given} were given");
        return Err(Error::new(ErrorKind::Argument, what));
    }
    Ok(())
}

/// How many there are, unless some have names.
pub(super) fn parameters(sql: &str) -> Option<usize> {
    let mut most = 0;
    for token in tokens(sql, Dialect::Sqlite) {
        match (token.kind, token.text) {
            (Kind::Parameter(number), _) => most = most.max(number as usize),
            (Kind::Other, "?") => most += 1,
            (Kind::Other, ":" | "@" | "$") => return None,
            _ => {}
        }
    }
    Some(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    #[test]
    fn what_is_refused() {
        let kind = |sql: &str, session| judge(&Statement::new(sql, args![]), session).map_err(|error| error.kind());
        for sql in ["ATTACH 'x' AS y", "/**/ vacuum into 'x'", "PRAGMA journal_mode = off", "CREATE TEMP TABLE x (y)"] {
            assert_eq!(kind(sql, true), Err(ErrorKind::NotAllowed), "{sql}");
        }
        assert_eq!(kind("BEGIN", false), Err(ErrorKind::NotAllowed));
        assert_eq!(kind("BEGIN", true), Ok(Class::Transaction));
        assert_eq!(kind("SELECT ?1, ?1, ?", false), Err(ErrorKind::Argument));
        assert_eq!(parameters("SELECT ?, ?, '?'"), Some(2));
        assert_eq!(parameters("SELECT :a"), None);
    }
}
