//! The adapter's own statements: transaction control and pragmas.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use super::{connection::Guarded, errors};
use crate::Result;

/// Their texts as they are compiled and kept: such as no caller knows, for a caller's `COMMIT` would find ours otherwise,
/// which was allowed.
#[derive(Debug)]
pub(super) struct Texts {
    secret: u64,
    /// Each made once.
    made: RefCell<Vec<(&'static str, Arc<str>)>>,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self { secret: RandomState::new().hash_one("ours"), made: RefCell::default() }
    }

    fn of(&self, sql: &'static str) -> Arc<str> {
        let mut made = self.made.borrow_mut();
        if let Some((_, text)) = made.iter().find(|(of, _)| *of == sql) {
            return Arc::clone(text);
        }
        let text: Arc<str> = format!("{sql} /* {:016x} */", self.secret).into();
        made.push((sql, Arc::clone(&text)));
        text
    }
}

impl Guarded {
    /// Runs one.
    pub(super) fn control(&self, sql: &'static str) -> Result<()> {
        let text = self.texts.of(sql);
        let done = self.guard.ours(|| {
            let mut compiled = self.connection.prepare_cached(&text)?;
            let mut rows = compiled.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        });
        done.map_err(|error| errors::running(&error, &self.guard))
    }
}
