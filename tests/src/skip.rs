//! What a test does when the machine lacks something it needs.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Says that a test is skipped, and why. Under `CI` everything is there, so there it is a failure.
///
/// # Panics
/// If the environment has `CI=true`.
pub fn skipped(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    // Whoever runs the tests is told, if anybody reads it.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
