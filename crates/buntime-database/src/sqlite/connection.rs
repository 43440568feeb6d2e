//! Opening connections, with errors that say what to change.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
    sync::Arc,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{Options, control::Texts, errors, guard::Guard};
use crate::{Error, ErrorKind, Result};

/// Compiled statements that each connection keeps.
const STATEMENTS: usize = 128;

/// How a connection that writes commits.
const DURABLE: &str = "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;";

/// A connection with what guards it.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) connection: Connection,
    pub(super) guard: Arc<Guard>,
    pub(super) texts: Texts,
}

/// The connection that writes, with the file made if need be.
pub(super) fn open_writer(options: &Options) -> Result<Guarded> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let Some(path) = options.path() else {
        let connection = Connection::open_in_memory().map_err(|error| failed(None, &error, &Guard::default()))?;
        return prepare(connection, options, None);
    };
    make_file(path)?;
    let guarded = open(path, flags, options)?;
    let fail = |error: &rusqlite::Error| failed(Some(path), error, &guarded.guard);
    if guarded.connection.is_readonly("main").map_err(|error| fail(&error))? {
        return Err(cannot(path, "it is read-only; make it writable for this user, or choose another path"));
    }
    let mode: String = guarded
        .guard
        .ours(|| guarded.connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)))
        .map_err(|error| fail(&error))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(cannot(path, "its file system does not support a write-ahead log; choose a local disk"));
    }
    // FULL: a commit that was acknowledged survives a loss of power. The limit truncates the log after a burst.
    guarded.guard.ours(|| guarded.connection.execute_batch(DURABLE)).map_err(|error| fail(&error))?;
    Ok(guarded)
}

/// A connection of a session, which writes too, and may have transactions.
pub(super) fn open_session(options: &Options) -> Result<Guarded> {
    let path = options.path().ok_or_else(|| Error::new(ErrorKind::Open, "a database in memory has no sessions"))?;
    let guarded = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, options)?;
    let durable = guarded.guard.ours(|| guarded.connection.execute_batch(DURABLE));
    durable.map_err(|error| failed(Some(path), &error, &guarded.guard))?;
    guarded.guard.allow_transactions();
    Ok(guarded)
}

/// A connection that only reads. The file is there: the writer is opened first.
pub(super) fn open_reader(options: &Options) -> Result<Guarded> {
    let path = options.path().ok_or_else(|| Error::new(ErrorKind::Open, "a database in memory has no readers"))?;
    let guarded = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, options)?;
    // From here on, who reads says how long to wait for another process.
    let waits = guarded.connection.busy_timeout(std::time::Duration::ZERO);
    waits.map_err(|error| failed(Some(path), &error, &guarded.guard))?;
    Ok(guarded)
}

fn open(path: &Path, flags: OpenFlags, options: &Options) -> Result<Guarded> {
    // No mutex: each connection has one thread. No URI: a file may be called `file:x`.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| failed(Some(path), &error, &Guard::default()))?;
    prepare(connection, options, Some(path))
}

fn prepare(mut connection: Connection, options: &Options, path: Option<&Path>) -> Result<Guarded> {
    let none = Guard::default();
    let guard = configure(&mut connection, options).map_err(|error| failed(path, &error, &none))?;
    Ok(Guarded { connection, guard, texts: Texts::new() })
}

fn configure(connection: &mut Connection, options: &Options) -> rusqlite::Result<Arc<Guard>> {
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    // A name in double quotes is a name, never a text: misspelt columns are errors.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // Else a range is planned anew for each of its bounds, which costs more than reading it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch("PRAGMA temp_store = MEMORY;")?;
    // The first read of the file: what is not a database fails here.
    connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
    if let Some(bytes) = options.max_bytes {
        let page: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        // Of this connection. A file that is larger already grows no more.
        let pages = (bytes / u64::from(page.max(1))).clamp(1, u64::from(u32::MAX - 1));
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    Guard::install(connection)
}

/// Makes the directory and the file, readable by this user only: what is kept in it may be secret.
fn make_file(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| {
        // `create_dir_all` does not say which part of the path is in the way.
        match parent.ancestors().find(|ancestor| ancestor.exists()) {
            Some(file) if !file.is_dir() => cannot(
                path,
                &format!("{} is a regular file, not a directory; choose another data directory", file.display()),
            ),
            _ => cannot(path, &format!("its directory {} cannot be made: {}", parent.display(), words(&error))),
        }
    })?;
    if path.is_dir() {
        return Err(cannot(path, "it is a directory; name a file"));
    }
    let mut open = OpenOptions::new();
    open.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    open.open(path).map(drop).map_err(|error| cannot(path, &words(&error)))
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "permission denied; make it writable for this user, or choose another data directory".to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only; choose another data directory".to_owned(),
        _ => error.to_string(),
    }
}

fn cannot(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Open, format!("cannot open the database {}: {why}", path.display()))
}

fn failed(path: Option<&Path>, error: &rusqlite::Error, guard: &Guard) -> Error {
    let error = errors::running(error, guard);
    let name = path.map_or_else(|| ":memory:".to_owned(), |path| path.display().to_string());
    let why = match error.kind() {
        ErrorKind::Corrupt => "it is not a SQLite database, or it is damaged; move it away, or choose another path",
        ErrorKind::Busy => "another process holds it; stop that one, or choose another path",
        _ => error.detail(),
    };
    let kind = match error.kind() {
        ErrorKind::Corrupt | ErrorKind::Busy => error.kind(),
        _ => ErrorKind::Open,
    };
    Error::new(kind, format!("cannot open the database {name}: {why}"))
}
