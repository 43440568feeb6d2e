//! The plugin in the real executor, against a real API that behaves or does not.

mod common;
mod fields;
mod guarded;
mod settings;
mod shared;
mod sick;
