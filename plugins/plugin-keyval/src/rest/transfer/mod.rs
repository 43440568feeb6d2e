//! Everything below a prefix out and in: a line of JSON for each entry, as a stream in both directions.
//!
//! A line is `{"key":[…],"value":…,"versionstamp":"…","expiresAt":ms}`, the last only of what expires. A versionstamp says
//! what an entry had; what is imported gets another.

pub(super) mod export;
pub(super) mod import;

/// What lines of JSON are called.
const NDJSON: &str = "application/x-ndjson";
