//! What a connection refuses to callers, and when it gives up on a statement.
//!
//! Connections are shared, so a caller's `COMMIT` would commit what others have only begun. SQLite's authorizer sees
//! what a statement really does, however it is spelt, and is asked at its compilation.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};

use crate::{Error, ErrorKind};

/// Virtual machine steps between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 10_000;

/// Pragmas that only tell something and belong to no connection. With an argument they take a table's name.
const HARMLESS: [&str; 9] = [
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "table_info",
    "table_list",
    "table_xinfo",
    "quick_check",
    "foreign_key_check",
];

/// Read by full-text search for itself; never with an argument.
const HARMLESS_BARE: [&str; 2] = ["page_size", "data_version"];

/// Those that a connection of a caller's own takes: they are gone with it.
const OWN: [&str; 2] = ["foreign_keys", "defer_foreign_keys"];

/// Shared between a connection's owner and the callbacks inside it.
#[derive(Debug, Default)]
pub(super) struct Guard {
    ours: AtomicBool,
    transactions: AtomicBool,
    refused: Mutex<Option<&'static str>>,
    limit: Mutex<Limit>,
}

#[derive(Debug, Default)]
struct Limit {
    deadline: Option<Instant>,
    canceled: Option<Arc<AtomicBool>>,
    /// How many more looks it may take. `None`: any number.
    looks: Option<u8>,
    hit: Option<ErrorKind>,
}

impl Guard {
    /// Puts one on a connection.
    pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<Arc<Self>> {
        let guard = Arc::new(Self::default());
        let judge = Arc::clone(&guard);
        connection.authorizer(Some(move |context: AuthContext<'_>| judge.judge(&context)))?;
        let watch = Arc::clone(&guard);
        connection.progress_handler(STEPS, Some(move || watch.give_up()))?;
        Ok(guard)
    }

    /// Lets callers begin and end transactions: the connection is one caller's.
    pub(super) fn allow_transactions(&self) {
        self.transactions.store(true, Ordering::Relaxed);
    }

    /// Runs what only the adapter itself may do: transaction control, pragmas.
    pub(super) fn ours<T>(&self, work: impl FnOnce() -> T) -> T {
        self.ours.store(true, Ordering::Relaxed);
        let result = work();
        self.ours.store(false, Ordering::Relaxed);
        result
    }

    /// Runs a caller's work, interrupted after `timeout` or when `canceled` is set.
    pub(super) fn limited<T>(
        &self,
        timeout: Duration,
        canceled: Option<Arc<AtomicBool>>,
        work: impl FnOnce() -> T,
    ) -> T {
        let deadline = Instant::now().checked_add(timeout);
        self.within(Limit { deadline, canceled, ..Limit::default() }, work)
    }

    /// Runs a caller's work, interrupted after at least [`STEPS`] and less than twice as many: SQLite counts on from where a
    /// compiled statement ended before.
    pub(super) fn briefly<T>(&self, work: impl FnOnce() -> T) -> T {
        self.within(Limit { looks: Some(1), ..Limit::default() }, work)
    }

    fn within<T>(&self, limit: Limit, work: impl FnOnce() -> T) -> T {
        *lock(&self.limit) = limit;
        let result = work();
        let mut limit = lock(&self.limit);
        (limit.deadline, limit.canceled, limit.looks) = (None, None, None);
        result
    }

    /// The refusal behind an authorization error.
    pub(super) fn refusal(&self) -> Error {
        let what = lock(&self.refused).take().unwrap_or("this statement");
        Error::new(ErrorKind::NotAllowed, format!("{what} cannot be used here: they would reach others"))
    }

    /// The reason behind an interrupt.
    pub(super) fn interruption(&self) -> Error {
        match lock(&self.limit).hit.take() {
            Some(ErrorKind::Canceled) => Error::new(ErrorKind::Canceled, "the caller went away"),
            _ => Error::new(ErrorKind::Timeout, "the statement took longer than it may"),
        }
    }

    fn give_up(&self) -> bool {
        let mut limit = lock(&self.limit);
        if limit.canceled.as_ref().is_some_and(|canceled| canceled.load(Ordering::Relaxed)) {
            limit.hit = Some(ErrorKind::Canceled);
        } else if limit.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            limit.hit = Some(ErrorKind::Timeout);
        } else if let Some(looks) = limit.looks {
            limit.looks = looks.checked_sub(1);
            if limit.looks.is_some() {
                return false;
            }
            limit.hit = Some(ErrorKind::Timeout);
        } else {
            return false;
        }
        true
    }

    fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        if self.ours.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        let controls = match context.action {
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => true,
            AuthAction::Pragma { pragma_name, .. } => OWN.iter().any(|name| name.eq_ignore_ascii_case(pragma_name)),
            _ => false,
        };
        if controls && self.transactions.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        let Some(what) = refuses(&context.action) else { return Authorization::Allow };
        *lock(&self.refused) = Some(what);
        Authorization::Deny
    }
}

/// The name of what is refused.
fn refuses(action: &AuthAction<'_>) -> Option<&'static str> {
    match action {
        AuthAction::Transaction { .. } => Some("BEGIN, COMMIT and ROLLBACK"),
        AuthAction::Savepoint { .. } => Some("SAVEPOINT and RELEASE"),
        // Also how VACUUM INTO would write a file.
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some("ATTACH, DETACH and VACUUM"),
        AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => Some("temporary tables, views and triggers"),
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let known = HARMLESS.iter().any(|name| name.eq_ignore_ascii_case(pragma_name))
                || pragma_value.is_none() && HARMLESS_BARE.iter().any(|name| name.eq_ignore_ascii_case(pragma_name));
            (!known).then_some("this PRAGMA")
        }
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            Some("load_extension")
        }
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
