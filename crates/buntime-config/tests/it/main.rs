//! Tests of the crate from outside: what loads, what is said about what does not, and that nothing leaks or panics.

mod diagnostics;
mod environment;
mod loading;
mod properties;
mod schema;
mod settings;
mod support;
