//! Compiled statements that a connection keeps, so that what comes again is only bound and run.

use std::collections::HashMap;

use tokio_postgres::{
    Client, Statement,
    error::SqlState,
    types::{Kind, Type},
};

use super::{
    errors::{self, Again, Failed},
    translate::{AS_TEXT, LOOSE, Translated},
};
use crate::Value;

/// Statements that each connection keeps.
const STATEMENTS: usize = 128;
/// Longer statements are compiled each time: they are generated, and would fill the cache with what comes once.
const CACHED_LENGTH: usize = 16 * 1024;

/// A statement and the types its arguments bring: `i`, `r`, `b`, or nothing known.
type Key = (u64, Vec<u8>);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Cache {
    statements: HashMap<Key, (Statement, u64)>,
    clock: u64,
    /// What ran last, for who asks at once what it returns.
    ran: Option<(u64, Statement)>,
}

impl Cache {
    fn get(&mut self, key: &Key) -> Option<Statement> {
        self.clock += 1;
        let (statement, used) = self.statements.get_mut(key)?;
        *used = self.clock;
        Some(statement.clone())
    }

    fn put(&mut self, key: Key, statement: Statement) {
        if self.statements.len() >= STATEMENTS {
            let oldest = self.statements.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.statements.remove(&oldest);
            }
        }
        self.statements.insert(key, (statement, self.clock));
    }

    /// Forgets everything: the schema has changed, or the server has forgotten.
    pub(super) fn clear(&mut self) {
        self.statements.clear();
        self.ran = None;
    }

    /// Notes what has just run.
    pub(super) fn note(&mut self, translated: &Translated, ran: Statement) {
        self.ran = Some((translated.id, ran));
    }

    /// Is it what ran last? Told once: afterwards the schema may be another.
    pub(super) fn take_noted(&mut self, translated: &Translated) -> Option<Statement> {
        self.ran.take().filter(|(id, _)| *id == translated.id).map(|(_, ran)| ran)
    }
}

fn key(translated: &Translated, args: &[Value]) -> Key {
    let types = translated.types();
    (translated.id, args.iter().map(|value| letter(value, types)).collect())
}

/// Is it compiled already?
pub(super) fn known(cache: &mut Cache, translated: &Translated, args: &[Value]) -> Option<Statement> {
    cache.get(&key(translated, args))
}

/// Compiles it, unless it is known.
pub(super) async fn prepare(
    client: &Client,
    cache: &mut Cache,
    translated: &Translated,
    args: &[Value],
) -> Result<Statement, Failed> {
    let keeps = translated.sql.len() <= CACHED_LENGTH;
    let key = key(translated, args);
    if let Some(known) = cache.get(&key) {
        return Ok(known);
    }
    let asked: Vec<Type> = key.1.iter().map(|letter| type_of(*letter)).collect();
    match client.prepare_typed(&translated.sql, &asked).await {
        Ok(statement) => {
            if keeps {
                cache.put(key, statement.clone());
            }
            Ok(statement)
        }
        Err(error) => {
            let mut failed = errors::running(&error, true);
            if !args.is_empty() && error.code().and_then(lesson).is_some_and(|lesson| translated.learn(lesson)) {
                failed.again = Again::Learnt;
            }
            Err(failed)
        }
    }
}

/// What an error of compiling says about the types that were sent along.
fn lesson(code: &SqlState) -> Option<u8> {
    match *code {
        SqlState::UNDEFINED_FUNCTION | SqlState::DATATYPE_MISMATCH | SqlState::AMBIGUOUS_PARAMETER => Some(LOOSE),
        SqlState::INDETERMINATE_DATATYPE => Some(AS_TEXT),
        _ => None,
    }
}

fn letter(value: &Value, types: u8) -> u8 {
    match value {
        Value::Integer(_) if types & LOOSE == 0 => b'i',
        Value::Real(_) if types & LOOSE == 0 => b'r',
        Value::Blob(_) if types & LOOSE == 0 => b'b',
        Value::Text(_) | Value::Null if types & AS_TEXT != 0 => b't',
        _ => b'?',
    }
}

fn type_of(letter: u8) -> Type {
    match letter {
        b'i' => Type::INT8,
        b'r' => Type::FLOAT8,
        b'b' => Type::BYTEA,
        b't' => Type::TEXT,
        // Number 0 on the wire: the server chooses.
        _ => Type::new("unspecified".to_owned(), 0, Kind::Pseudo, "pg_catalog".to_owned()),
    }
}
