//! Text into tokens. Never fails: a literal that does not end goes to the end of the text, and the engine complains.

/// Whose lexical rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite's and libSQL's.
    Sqlite,
    /// PostgreSQL's, with `standard_conforming_strings` on.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "for the adapter that speaks it"))]
    Postgres,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A key word or a bare name.
    Word,
    /// A quoted name.
    Quoted,
    /// A text or blob literal.
    Literal,
    /// A number.
    Number,
    /// `?1` or `$1`.
    Parameter(u32),
    /// Space or a comment.
    Blank,
    /// Any other character.
    Other,
}

/// A piece of the text; all pieces together are the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
}

impl Token<'_> {
    /// Is it this key word?
    pub(crate) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }
}

/// A quoted name without its quotes.
#[cfg(feature = "postgres")]
pub(crate) fn unquoted(text: &str) -> String {
    text.trim_matches('"').replace("\"\"", "\"")
}

/// Every token of `sql`, in order.
pub(crate) fn tokens(sql: &str, dialect: Dialect) -> impl Iterator<Item = Token<'_>> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (kind, length) = next(rest, first, dialect);
        // A length that is no boundary cannot come up; the whole rest is the safe reading of it.
        let (text, left) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = left;
        Some(Token { kind, text })
    })
}

fn next(rest: &str, first: char, dialect: Dialect) -> (Kind, usize) {
    let postgres = dialect == Dialect::Postgres;
    match first {
        c if is_space(c) => (Kind::Blank, run(rest, is_space)),
        '-' if rest.starts_with("--") => (Kind::Blank, remark(rest, postgres)),
        '/' if rest.starts_with("/*") => (Kind::Blank, comment(rest, postgres)),
        '\'' => (Kind::Literal, quoted(rest, '\'', false)),
        '"' => (Kind::Quoted, quoted(rest, '"', false)),
        '`' if !postgres => (Kind::Quoted, quoted(rest, '`', false)),
        '[' if !postgres => (Kind::Quoted, rest.find(']').map_or(rest.len(), |at| at + 1)),
        '?' => parameter(rest).unwrap_or((Kind::Other, 1)),
        '$' if postgres => parameter(rest).or_else(|| dollar(rest)).unwrap_or((Kind::Other, 1)),
        c if c.is_ascii_digit() => (Kind::Number, run(rest, |c| is_word(c) || c == '.')),
        c if is_word(c) => word(rest, postgres),
        c => (Kind::Other, c.len_utf8()),
    }
}

/// Both engines know no other.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// May it stand in a word? Whatever is not ASCII may, spaces and signs too.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

/// `-- …`, without the end of its line.
fn remark(rest: &str, postgres: bool) -> usize {
    rest.find(|c| c == '\n' || (postgres && c == '\r')).unwrap_or(rest.len())
}

fn run(rest: &str, is: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !is(c)).unwrap_or(rest.len())
}

fn word(rest: &str, postgres: bool) -> (Kind, usize) {
    let length = run(rest, |c| is_word(c) || c == '$');
    let (word, after) = rest.split_at(length);
    if after.starts_with('\'') {
        // E'…' has escapes; X'…', B'…', N'…' have none.
        let escapes = postgres && word.eq_ignore_ascii_case("e");
        if escapes {
            return (Kind::Literal, length + escaped(after));
        }
        if ["x", "b", "n"].iter().any(|known| word.eq_ignore_ascii_case(known)) {
            return (Kind::Literal, length + quoted(after, '\'', false));
        }
    }
    (Kind::Word, length)
}

/// From a quote to its end; a doubled quote is one inside.
fn quoted(rest: &str, quote: char, escapes: bool) -> usize {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                }
                _ => return at + c.len_utf8(),
            }
        }
    }
    rest.len()
}

/// The text of an `E'…'`. What follows on another line goes on with it, and has escapes, too.
fn escaped(rest: &str) -> usize {
    let mut at = quoted(rest, '\'', true);
    while let Some(next) = rest.get(at..).and_then(|rest| rest.get(continues(rest)?..)) {
        at = rest.len() - next.len() + quoted(next, '\'', true);
    }
    at
}

/// Where a text goes on behind a line break.
fn continues(rest: &str) -> Option<usize> {
    let (mut length, mut breaks) = (0, false);
    for token in tokens(rest, Dialect::Postgres) {
        if token.kind != Kind::Blank || token.text.starts_with("/*") {
            return (breaks && token.text.starts_with('\'')).then_some(length);
        }
        length += token.text.len();
        breaks |= token.text.contains(['\n', '\r']);
    }
    None
}

fn comment(rest: &str, nests: bool) -> usize {
    let (mut at, mut depth) = (2, 1);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else if nests && tail.starts_with("/*") {
            (at, depth) = (at + 2, depth + 1);
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `?1` or `$1`.
fn parameter(rest: &str) -> Option<(Kind, usize)> {
    let digits = rest.get(1..).map_or(0, |rest| run(rest, |c| c.is_ascii_digit()));
    let number = rest.get(1..=digits)?.parse().ok()?;
    Some((Kind::Parameter(number), digits + 1))
}

/// `$tag$ … $tag$`.
fn dollar(rest: &str) -> Option<(Kind, usize)> {
    let tag = rest.get(1..)?.find(|c| !is_word(c))? + 1;
    let mark = rest.get(..=tag).filter(|mark| mark.ends_with('$'))?;
    let body = rest.get(mark.len()..)?;
    Some((Kind::Literal, body.find(mark).map_or(rest.len(), |end| end + 2 * mark.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(sql: &str, dialect: Dialect) -> Vec<(Kind, &str)> {
        let all = tokens(sql, dialect).map(|token| (token.kind, token.text));
        all.filter(|(kind, _)| *kind != Kind::Blank).collect()
    }

    fn parameters(sql: &str, dialect: Dialect) -> Vec<u32> {
        let number = |token: Token<'_>| if let Kind::Parameter(number) = token.kind { Some(number) } else { None };
        tokens(sql, dialect).filter_map(number).collect()
    }

    #[test]
    fn parameters_are_not_in_literals_names_and_comments() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let sql = "SELECT ?1, '?2 '' ?3', \"?4\" -- ?5\n, /* ?6 */ ?7, x'00', n'?8' FROM t WHERE a=?12";
            assert_eq!(parameters(sql, dialect), [1, 7, 12]);
        }
    }

    #[test]
    fn each_engine_has_its_own_quotes() {
        assert_eq!(parameters("SELECT E'\\'?1', ?2", Dialect::Postgres), [2]);
        assert_eq!(parameters("SELECT $$ ?1 ' $$, $a$ ?2 $$ $a$, $3", Dialect::Postgres), [3]);
        assert_eq!(parameters("SELECT `?1`, [?2 '], ?3", Dialect::Sqlite), [3]);
        assert_eq!(parameters("/* /* */ ?1 */ ?2", Dialect::Postgres), [2]);
        assert_eq!(parameters("/* /* */ ?1", Dialect::Sqlite), [1]);
        assert_eq!(kinds("a ? b", Dialect::Postgres)[1], (Kind::Other, "?"));
    }

    #[test]
    fn what_postgresql_reads_otherwise() {
        let words = |sql| kinds(sql, Dialect::Postgres).iter().map(|(_, text)| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(words("--\rSET x\n"), ["SET", "x"]);
        assert_eq!(kinds("--\rSET x\n", Dialect::Sqlite), []);
        assert_eq!(words("$€$ ?1 ' $€$ a\u{a0}b"), ["$€$ ?1 ' $€$", "a\u{a0}b"]);
        assert_eq!(words("E'a' -- b\n '\\'?1' c"), ["E'a' -- b\n '\\'?1'", "c"]);
        assert_eq!(words("E'a' 'b\\' c"), ["E'a'", "'b\\'", "c"]);
    }

    #[test]
    fn what_does_not_end_goes_to_the_end() {
        for sql in ["'abc", "\"abc", "/* abc", "-- abc", "$a$ b", "E'\\", "[a", "$", "?", "$a"] {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                assert_eq!(tokens(sql, dialect).map(|token| token.text).collect::<String>(), sql);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_are_the_whole(sql in "[a-zE$?'\"/*\\-\\\\1é\r€\\[\\]` \n;]{0,60}") {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                proptest::prop_assert_eq!(tokens(&sql, dialect).map(|token| token.text).collect::<String>(), sql.clone());
            }
        }
    }
}
