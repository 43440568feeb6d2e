//! Real servers for tests, of this crate and of those that build on it. Each listens on a free loopback port, keeps its
//! data in a temporary directory, and ends with its value.

mod child;
#[cfg(feature = "libsql")]
mod libsql;
#[cfg(feature = "postgres")]
mod postgres;

use std::io::Write;

#[cfg(feature = "libsql")]
pub use self::libsql::{LibsqlReplica, LibsqlServer};
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresServer;

/// Says that a test is skipped. Under `CI` every program is there, so there it is a failure.
fn skipped(program: &str) {
    let why = format!("needs {program}, cargo xtask setup installs it");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    // Whoever runs the tests is told, if anybody reads it.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
