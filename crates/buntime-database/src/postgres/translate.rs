//! Statements as callers write them into statements as PostgreSQL takes them, and what is refused before it is asked.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::{
    Error, ErrorKind, Result,
    sql::{Class, Dialect, Kind, Token, classify, split, tokens, unquoted},
};

/// Statements that change what a connection is, for whoever has it next.
const SESSION: [&str; 15] = [
    "set",
    "reset",
    "discard",
    "listen",
    "unlisten",
    "execute",
    "deallocate",
    "declare",
    "fetch",
    "move",
    "close",
    "copy",
    "load",
    "do",
    "call",
];

/// Functions that do.
const FUNCTIONS: [&str; 5] = [
    "set_config",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
];

/// Let the server choose the types of arguments that bring one.
pub(super) const LOOSE: u8 = 1;
/// Call text and null text.
pub(super) const AS_TEXT: u8 = 2;

/// A statement for PostgreSQL.
#[derive(Debug)]
pub(super) struct Translated {
    /// Unique in this process.
    pub(super) id: u64,
    pub(super) sql: String,
    pub(super) parameters: usize,
    pub(super) class: Class,
    /// What was learnt about the types of its parameters: [`LOOSE`], [`AS_TEXT`].
    types: AtomicU8,
}

impl Translated {
    pub(super) fn types(&self) -> u8 {
        self.types.load(Ordering::Relaxed)
    }

    /// Remembers; `false` if it was known.
    pub(super) fn learn(&self, types: u8) -> bool {
        self.types.fetch_or(types, Ordering::Relaxed) & types != types
    }
}

/// A statement of a session that begins or ends a transaction, or a part of one.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) sql: String,
    /// Does it end the transaction, even if it fails?
    pub(super) ends: bool,
    /// Does it do so by a commit?
    pub(super) commits: bool,
    /// Does it begin one?
    begins: bool,
}

impl Control {
    /// Is it one? SQLite's words (`BEGIN IMMEDIATE`, `BEGIN TRANSACTION READONLY`) are understood.
    pub(super) fn of(sql: &str) -> Result<Option<Self>> {
        if classify(sql, Dialect::Postgres) != Class::Transaction {
            return Ok(None);
        }
        let statement = only(sql)?;
        let significant = tokens(statement, Dialect::Postgres).filter(|token| token.kind == Kind::Word);
        let words: Vec<String> = significant.map(|token| token.text.to_ascii_lowercase()).collect();
        let has = |word: &str| words.iter().any(|known| known == word);
        if has("prepare") || has("prepared") || has("chain") {
            return Err(Error::new(ErrorKind::NotAllowed, "PREPARE TRANSACTION and AND CHAIN cannot be used here"));
        }
        let first = words.first().map(String::as_str).unwrap_or_default();
        let begins = matches!(first, "begin" | "start");
        let commits = matches!(first, "commit" | "end");
        let ends = commits || first == "abort" || (first == "rollback" && !has("to"));
        let sql = match begins && words.len() <= 3 {
            true if has("readonly") => "BEGIN READ ONLY".to_owned(),
            true if has("immediate") || has("deferred") || has("exclusive") => "BEGIN".to_owned(),
            _ => statement.to_owned(),
        };
        Ok(Some(Self { sql, ends, commits, begins }))
    }

    /// Is a transaction open after it?
    pub(super) fn leaves_open(&self, open: bool) -> bool {
        self.begins || (open && !self.ends)
    }
}

/// One statement, with `?1` made `$1`.
pub(super) fn translate(sql: &str) -> Result<Translated> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let statement = only(sql)?;
    let class = judge(statement)?;
    let mut parameters = 0;
    let mut out = String::with_capacity(statement.len());
    for token in tokens(statement, Dialect::Postgres) {
        if let Kind::Parameter(number) = token.kind {
            parameters = parameters.max(number as usize);
            out.push('$');
            out.push_str(token.text.get(1..).unwrap_or_default());
        } else {
            out.push_str(token.text);
        }
    }
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    Ok(Translated { id, sql: out, parameters, class, types: AtomicU8::new(0) })
}

/// The one statement that is there.
fn only(sql: &str) -> Result<&str> {
    match split(sql, Dialect::Postgres).as_slice() {
        [statement] => Ok(statement),
        [] => Err(Error::new(ErrorKind::Syntax, "there is no statement")),
        _ => Err(Error::new(ErrorKind::Syntax, "there is more than one statement; send them as a transaction")),
    }
}

/// A migration's script as statements: its types are SQLite's words made PostgreSQL's, see [`portable`].
pub(super) fn script(sql: &str) -> Result<Vec<String>> {
    split(sql, Dialect::Postgres)
        .into_iter()
        .map(|statement| {
            judge(statement)?;
            Ok(portable(statement))
        })
        .collect()
}

fn judge(statement: &str) -> Result<Class> {
    let refuse = |what: &str| {
        Err(Error::new(ErrorKind::NotAllowed, format!("{what} cannot be used here: connections are shared")))
    };
    let class = classify(statement, Dialect::Postgres);
    if class == Class::Transaction {
        return refuse("BEGIN, COMMIT and ROLLBACK");
    }
    let words: Vec<Token<'_>> =
        tokens(statement, Dialect::Postgres).filter(|token| !matches!(token.kind, Kind::Blank)).collect();
    if words.first().is_some_and(|first| SESSION.iter().any(|word| first.is(word))) {
        return refuse("SET, LISTEN, COPY, DO, cursors and prepared statements");
    }
    let is_temporary = |token: &Token<'_>| token.is("temp") || token.is("temporary");
    let create = words.first().is_some_and(|first| first.is("create"));
    // CREATE OR REPLACE GLOBAL TEMP …
    let makes = create && words.iter().take(5).any(is_temporary);
    let into = words.windows(2).any(|pair| matches!(pair, [into, next] if into.is("into") && is_temporary(next)));
    let schema = words.iter().any(|token| match token.kind {
        Kind::Quoted => unquoted(token.text).starts_with("pg_temp"),
        _ => token.kind == Kind::Word && token.text.to_ascii_lowercase().starts_with("pg_temp"),
    });
    if makes || into || schema {
        return refuse("temporary tables, views and triggers");
    }
    for (token, next) in words.iter().zip(words.iter().skip(1)) {
        let name = match token.kind {
            Kind::Quoted => unquoted(token.text),
            Kind::Word => token.text.to_ascii_lowercase(),
            _ => continue,
        };
        if next.text == "(" && FUNCTIONS.contains(&name.as_str()) {
            return refuse(&name);
        }
        if token.is("u") && next.text == "&" {
            return refuse("U& names");
        }
    }
    Ok(class)
}

/// Column types and table options as SQLite knows them: `INTEGER` (64 bits there), `REAL` (8 bytes there), `BLOB`,
/// `INTEGER PRIMARY KEY` (numbered by itself), `STRICT`, `WITHOUT ROWID`, `AUTOINCREMENT`. Only in `CREATE TABLE` and
/// `ALTER TABLE`.
fn portable(statement: &str) -> String {
    let all: Vec<Token<'_>> = tokens(statement, Dialect::Postgres).collect();
    let significant: Vec<usize> =
        all.iter().enumerate().filter(|(_, token)| token.kind != Kind::Blank).map(|(at, _)| at).collect();
    let word = |nth: usize| significant.get(nth).and_then(|at| all.get(*at));
    let is = |nth: usize, text: &str| word(nth).is_some_and(|token| token.is(text));
    let defines = (is(0, "create") || is(0, "alter")) && is(1, "table");
    let mut out: Vec<&str> = all.iter().map(|token| token.text).collect();
    if !defines {
        return out.concat();
    }
    let mut replace = |nth: usize, text: &'static str| {
        if let Some(slot) = significant.get(nth).and_then(|at| out.get_mut(*at)) {
            *slot = text;
        }
    };
    let closes = significant.iter().rposition(|at| all.get(*at).is_some_and(|token| token.text == ")"));
    for nth in 2..significant.len() {
        let named = word(nth - 1).is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Quoted))
            && !is(nth - 1, "column")
            && !is(nth - 1, "add");
        let options = closes.is_some_and(|end| nth > end);
        let comma = word(nth).is_some_and(|token| token.text == ",");
        let rowid = is(nth, "rowid") && is(nth - 1, "without");
        if is(nth, "autoincrement") || options && (comma || rowid || is(nth, "strict") || is(nth, "without")) {
            replace(nth, "");
        } else if named && is(nth, "integer") && is(nth + 1, "primary") && is(nth + 2, "key") {
            replace(nth, "BIGINT GENERATED BY DEFAULT AS IDENTITY");
        } else if named && is(nth, "integer") {
            replace(nth, "BIGINT");
        } else if named && is(nth, "real") {
            replace(nth, "DOUBLE PRECISION");
        } else if named && is(nth, "blob") {
            replace(nth, "BYTEA");
        }
    }
    out.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(sql: &str) -> ErrorKind {
        translate(sql).unwrap_err().kind()
    }

    #[test]
    fn parameters() {
        let done = translate("SELECT ?2, '?1', ?1::text -- ?9\n WHERE a ? 'k' ;").unwrap();
        assert_eq!(done.sql, "SELECT $2, '?1', $1::text -- ?9\n WHERE a ? 'k' ");
        assert_eq!((done.parameters, done.class), (2, Class::Read));
        assert!(done.learn(LOOSE) && !done.learn(LOOSE));
    }

    #[test]
    fn refusals() {
        assert_eq!(refusal(""), ErrorKind::Syntax);
        assert_eq!(refusal("SELECT 1; SELECT 2"), ErrorKind::Syntax);
        for sql in [
            "BEGIN",
            "SET search_path TO x",
            "/**/ reset all",
            "SELECT set_config('search_path', 'x', false)",
            "SELECT pg_catalog.\"set_config\" ('search_path', 'x', false)",
            "SELECT U&\"set\\005fconfig\"('a', 'b', false)",
            "CREATE TEMP TABLE x (y int)",
            "select 1 into temporary x",
            "CREATE TABLE pg_temp.x (y int)",
            "DO $$ BEGIN END $$",
            "COPY t TO '/tmp/x'",
            "LISTEN x",
            "--\rSET search_path TO\nx",
            "SELECT E'a'\n'\\'', set_config('search_path', 'x', false) --'",
        ] {
            assert_eq!(refusal(sql), ErrorKind::NotAllowed, "{sql}");
        }
        assert!(translate("SELECT 'set_config(' AS temp").is_ok());
    }

    #[test]
    fn types_of_tables() {
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, real REAL, \"b\" BLOB NOT NULL, n INTEGER CHECK (n > 0)) \
                   WITHOUT ROWID, STRICT";
        let expected = "CREATE TABLE t (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, real DOUBLE PRECISION, \
                        \"b\" BYTEA NOT NULL, n BIGINT CHECK (n > 0))";
        assert_eq!(script(sql).unwrap()[0].trim_end(), expected);
        assert_eq!(portable("ALTER TABLE t ADD COLUMN real REAL"), "ALTER TABLE t ADD COLUMN real DOUBLE PRECISION");
        assert_eq!(portable("SELECT integer FROM blob"), "SELECT integer FROM blob");
        assert_eq!(script("CREATE TABLE a (x TEXT); COMMIT;").unwrap_err().kind(), ErrorKind::NotAllowed);
    }
}
