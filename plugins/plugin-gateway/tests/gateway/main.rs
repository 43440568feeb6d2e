//! The plugin in a host, asked as clients and operators do.

mod administration;
mod common;
mod cors;
mod limits;
mod memory;
mod quotas;
mod redis;
mod settings;
