//! The plugin in the real executor: what is masked, what is blocked, what passes untouched.

mod common;
mod requests;
mod responses;
mod settings;
mod streams;
