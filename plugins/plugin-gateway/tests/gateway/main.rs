//! The plugin in a host, asked as clients and operators do.

mod administration;
mod cache;
mod common;
mod cors;
mod history;
mod limits;
mod memory;
mod quotas;
mod redis;
mod settings;
mod shell;
