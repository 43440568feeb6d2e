//! What kind of thing a statement is, by its words.

use super::{Dialect, Kind, Token, tokens};

/// What a statement is to an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It only reads.
    Read,
    /// It may write.
    Write,
    /// It would begin or end a transaction.
    Transaction,
    /// There is nothing but space and comments.
    Empty,
}

const READS: [&str; 6] = ["select", "values", "table", "explain", "show", "pragma"];
const WRITES: [&str; 5] = ["insert", "update", "delete", "replace", "merge"];
const CONTROL: [&str; 9] = ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare"];

/// What one statement is. A `WITH` is what follows its last definition, or a write if one of those writes.
pub(crate) fn classify(sql: &str, dialect: Dialect) -> Class {
    let mut words = tokens(sql, dialect).filter(|token| token.kind != Kind::Blank);
    let Some(first) = words.find(|token| !matches!(token.text, "(" | ";")) else { return Class::Empty };
    let among = |token: &Token<'_>, list: &[&str]| list.iter().any(|word| token.is(word));
    if among(&first, &CONTROL) {
        Class::Transaction
    } else if first.is("with") || first.is("explain") {
        // EXPLAIN ANALYZE runs what it explains.
        if writes(words) { Class::Write } else { Class::Read }
    } else if first.is("select") {
        // SELECT … INTO makes a table, and FOR UPDATE locks.
        let writes = words.any(|token| token.is("into") || (token.is("for") && dialect == Dialect::Postgres));
        if writes && dialect == Dialect::Postgres { Class::Write } else { Class::Read }
    } else if first.is("pragma") {
        if sql.contains(['=', '(']) { Class::Write } else { Class::Read }
    } else if among(&first, &READS) {
        Class::Read
    } else {
        Class::Write
    }
}

/// Is there a word that writes among them? `replace(…)` is a function, as any word is before a parenthesis.
fn writes<'a>(tokens: impl Iterator<Item = Token<'a>>) -> bool {
    let mut tokens = tokens.peekable();
    while let Some(token) = tokens.next() {
        let next = tokens.peek();
        let called = next.is_some_and(|next| next.text == "(");
        let replaces = next.is_some_and(|next| next.is("into"));
        if WRITES.iter().any(|word| token.is(word)) && !called && (replaces || !token.is("replace")) {
            return true;
        }
    }
    false
}

/// The word it begins with.
pub(crate) fn first_word(sql: &str, dialect: Dialect) -> Option<&str> {
    tokens(sql, dialect).find(|token| token.kind == Kind::Word).map(|token| token.text)
}

/// Is it `BEGIN [TRANSACTION] READONLY`, libSQL's words for a transaction that only reads?
pub(crate) fn begins_read_only(sql: &str, dialect: Dialect) -> bool {
    let mut words = tokens(sql, dialect).filter(|token| token.kind == Kind::Word);
    let begins = words.next().is_some_and(|word| word.is("begin"));
    begins && words.find(|word| !word.is("transaction")).is_some_and(|word| word.is("readonly"))
}

/// Is a statement for an adapter of that type one that leaves nothing if it is given up before its answer? Reads are, and what
/// begins a transaction or rolls one back.
pub fn leaves_nothing(kind: &str, sql: &str) -> bool {
    let dialect = if kind == "postgres" { Dialect::Postgres } else { Dialect::Sqlite };
    match classify(sql, dialect) {
        Class::Read | Class::Empty => true,
        Class::Write => false,
        Class::Transaction => {
            let is = |word: &&str| first_word(sql, dialect).is_some_and(|first| first.eq_ignore_ascii_case(word));
            ["begin", "start", "savepoint", "rollback", "abort"].iter().any(is)
        }
    }
}

/// Does it ask for rows of what it writes? Perhaps: the word may be a name.
#[cfg(feature = "libsql")]
pub(crate) fn returns_rows(sql: &str, dialect: Dialect) -> bool {
    tokens(sql, dialect).any(|token| token.is("returning"))
}

/// The statements of a script, without those that are empty. A trigger's body (`BEGIN … END`) stays in one piece.
pub(crate) fn split(sql: &str, dialect: Dialect) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut body = Body::default();
    for token in tokens(sql, dialect) {
        at += token.text.len();
        body.see(&token);
        if token.text == ";" && token.kind == Kind::Other && !body.inside() {
            statements.push(sql.get(start..at - 1).unwrap_or_default());
            (start, body) = (at, Body::default());
        }
    }
    statements.push(sql.get(start..).unwrap_or_default());
    statements.retain(|statement| classify(statement, dialect) != Class::Empty);
    statements
}

/// Watches for `CREATE … TRIGGER … BEGIN`, after which semicolons belong to it until its `END`.
#[derive(Debug, Default)]
struct Body {
    words: usize,
    create: bool,
    trigger: bool,
    depth: usize,
}

impl Body {
    fn see(&mut self, token: &Token<'_>) {
        if token.kind != Kind::Word {
            return;
        }
        self.words += 1;
        self.create |= self.words == 1 && token.is("create");
        // CREATE [TEMP] [OR REPLACE] TRIGGER
        self.trigger |= self.create && self.words <= 4 && token.is("trigger");
        if self.trigger && (token.is("begin") || (token.is("case") && self.depth > 0)) {
            self.depth += 1;
        } else if token.is("end") {
            self.depth = self.depth.saturating_sub(1);
        }
    }

    fn inside(&self) -> bool {
        self.depth > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(sql: &str) -> Class {
        let (sqlite, postgres) = (classify(sql, Dialect::Sqlite), classify(sql, Dialect::Postgres));
        assert_eq!(sqlite, postgres, "{sql}");
        sqlite
    }

    #[test]
    fn classes() {
        for sql in [
            "SELECT 1",
            " /* insert */ select 'insert into'",
            "(SELECT 1)",
            "VALUES (1)",
            "explain select 1",
            "WITH x AS (SELECT replace(a, 'b', 'c') FROM t) SELECT * FROM x",
            "EXPLAIN SELECT REPLACE ('a', 'b', 'c')",
        ] {
            assert_eq!(class(sql), Class::Read, "{sql}");
        }
        for sql in [
            "INSERT INTO t VALUES (1)",
            "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
            "WITH x AS (SELECT 1 AS a) REPLACE INTO t SELECT replace(a, 1, 2) FROM x",
            "with gone as (delete from t returning *) select * from gone",
            "-- select\nUPDATE t SET a = 1",
            "EXPLAIN ANALYZE DELETE FROM t",
            "CREATE TABLE t (a)",
        ] {
            assert_eq!(class(sql), Class::Write, "{sql}");
        }
        for sql in ["BEGIN", "/**/ commit;", "ROLLBACK TO x", "savepoint a", "END", "START TRANSACTION"] {
            assert_eq!(class(sql), Class::Transaction, "{sql}");
        }
        for sql in ["", " ; ", "-- only a remark", "/* x"] {
            assert_eq!(class(sql), Class::Empty, "{sql}");
        }
        assert_eq!(classify("SELECT 1 FOR UPDATE", Dialect::Postgres), Class::Write);
        assert_eq!(classify("PRAGMA user_version = 3", Dialect::Sqlite), Class::Write);
        assert_eq!(classify("PRAGMA user_version", Dialect::Sqlite), Class::Read);
    }

    #[test]
    fn what_leaves_nothing() {
        for sql in ["SELECT 1", "BEGIN", "ROLLBACK", "SAVEPOINT x", "WITH x AS (SELECT 1) SELECT * FROM x"] {
            assert!(leaves_nothing("sqlite", sql) && leaves_nothing("postgres", sql), "{sql}");
        }
        for sql in ["COMMIT", "END", "RELEASE x", "DELETE FROM t", "CREATE TABLE t (a)"] {
            assert!(!leaves_nothing("sqlite", sql) && !leaves_nothing("postgres", sql), "{sql}");
        }
    }

    #[test]
    fn transactions_that_read() {
        for sql in ["BEGIN TRANSACTION READONLY", "begin readonly;", "/**/ Begin Transaction ReadOnly"] {
            assert!(begins_read_only(sql, Dialect::Sqlite), "{sql}");
        }
        for sql in ["BEGIN", "BEGIN IMMEDIATE", "BEGIN TRANSACTION", "SELECT readonly", "BEGIN 'readonly'"] {
            assert!(!begins_read_only(sql, Dialect::Sqlite), "{sql}");
        }
    }

    #[test]
    fn scripts_in_pieces() {
        assert_eq!(split("a 1; b ';' ;; -- c\n", Dialect::Sqlite), ["a 1", " b ';' "]);
        let trigger = "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM u; END";
        assert_eq!(split(&format!("{trigger}; SELECT 1"), Dialect::Sqlite), [trigger, " SELECT 1"]);
    }
}
