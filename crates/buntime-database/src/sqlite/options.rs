//! Where a database is and what it may use.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Error, ErrorKind, Result};

/// How to open a SQLite database. The defaults are durable; only sizes and patience can be changed.
#[derive(Clone, Debug)]
pub struct Options {
    path: Option<PathBuf>,
    pub(super) readers: usize,
    pub(super) busy_timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) max_result_bytes: usize,
    pub(super) max_bytes: Option<u64>,
    pub(super) queue: usize,
    pub(super) group_time: Duration,
    pub(super) sessions: usize,
    pub(super) session_hold: Duration,
    pub(super) session_age: Duration,
}

impl Options {
    /// The file's name inside a data directory.
    pub const FILE_NAME: &'static str = "buntime.db";

    /// The database at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::memory() }
    }

    /// The same, for another file.
    pub(super) fn at(self, path: PathBuf) -> Self {
        Self { path: Some(path), ..self }
    }

    /// The default database of a data directory: [`Options::FILE_NAME`] in it.
    pub fn in_dir(data_dir: impl AsRef<Path>) -> Self {
        Self::file(data_dir.as_ref().join(Self::FILE_NAME))
    }

    /// A database that is gone when it is closed. One connection does everything.
    pub fn memory() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            path: None,
            readers: cores.clamp(1, 4),
            busy_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            max_result_bytes: 64 << 20,
            max_bytes: None,
            queue: 1024,
            group_time: super::writer::GROUP_TIME,
            sessions: super::session::SESSIONS,
            session_hold: super::session::HOLD,
            session_age: super::session::AGE,
        }
    }

    /// From a configured `url`: `file:./auth.db`, `sqlite:./auth.db`, `sqlite:///var/lib/auth.db`, a bare path, or
    /// `:memory:`. Relative paths are relative to `base`.
    ///
    /// # Errors
    /// [`ErrorKind::Open`] for another scheme, an empty path, or parameters (`?mode=…`), which are not supported.
    pub fn from_url(url: &str, base: &Path) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::new(
                ErrorKind::Open,
                format!("`{url}` is not a SQLite database: {why}; write `file:./name.db`, a path or `:memory:`"),
            ))
        };
        let rest = url.strip_prefix("file:").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
        if rest == ":memory:" || rest == "//:memory:" {
            return Ok(Self::memory());
        }
        if rest == url && url.contains("://") {
            return refuse("its scheme is neither `file` nor `sqlite`");
        }
        // `scheme://./x` and `scheme:///x` name no host; `scheme://host/x` would, and a file has none.
        let path = match rest.strip_prefix("//") {
            Some(path) if path.starts_with(['/', '.']) => path,
            Some(_) => return refuse("it names a host"),
            None => rest,
        };
        if path.is_empty() {
            return refuse("it names no file");
        }
        if path.contains('?') {
            return refuse("it has parameters");
        }
        Ok(Self::file(base.join(path)))
    }

    /// How many reader threads, at least one. Default: as many as cores, at most 4.
    #[must_use]
    pub fn with_readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// How long to wait for another process that holds the file. Default 5 s.
    #[must_use]
    pub fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How long one statement may run. Default 30 s.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How much memory one statement's rows may take, in bytes. Default 64 MiB.
    #[must_use]
    pub fn with_max_result_bytes(mut self, bytes: usize) -> Self {
        self.max_result_bytes = bytes;
        self
    }

    /// How large the file may become, in bytes, its log not counted. What would make it larger is refused as
    /// [`ErrorKind::Full`]; reading goes on, and so does writing once something was deleted. Default: what the disk has.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// How many sessions at most. Default 32.
    #[must_use]
    pub fn with_sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    /// How long a session's transaction may keep others from writing. Default 5 s.
    #[must_use]
    pub fn with_session_hold(mut self, hold: Duration) -> Self {
        self.session_hold = hold;
        self
    }

    /// How long a transaction of a session may be open, also if it only reads: the log cannot be folded into the file
    /// meanwhile. Longer ones are rolled back. Default 60 s.
    #[must_use]
    pub fn with_session_age(mut self, age: Duration) -> Self {
        self.session_age = age;
        self
    }

    /// The file, if it is not in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(url: &str) -> Option<PathBuf> {
        Options::from_url(url, Path::new("/etc/app")).unwrap().path().map(Path::to_path_buf)
    }

    #[test]
    fn urls() {
        assert_eq!(path("file:./auth.db"), Some("/etc/app/./auth.db".into()));
        assert_eq!(path("sqlite:auth.db"), Some("/etc/app/auth.db".into()));
        assert_eq!(path("sqlite:///var/a.db"), Some("/var/a.db".into()));
        assert_eq!(path("file://./a.db"), Some("/etc/app/./a.db".into()));
        assert_eq!(path("data/a.db"), Some("/etc/app/data/a.db".into()));
        assert_eq!(path(":memory:"), None);
        assert_eq!(path("sqlite://:memory:"), None);
    }

    #[test]
    fn urls_that_are_none() {
        for url in ["http://x/a.db", "file:", "file:a.db?mode=ro", "file://host/a.db", "", "postgres://x"] {
            let error = Options::from_url(url, Path::new(".")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Open, "{url}");
            assert!(error.detail().contains("file:./name.db"), "{error}");
        }
    }
}
