//! The plugin API: metadata, hooks, exchanges, order, lifecycle, errors and events.

pub mod error;
pub mod metadata;
pub mod options;
pub mod units;
pub use error::{AttemptReport, BoxError, Error, ErrorKind, Retry, Source};
