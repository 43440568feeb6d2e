//! The databases of the runtime, for those who administer it.
//!
//! What databases there are is configured here, in `adapters`, and opened by the program that the plugin runs in, whether
//! or not the plugin does. This crate shows them: a REST API (tenants, tables, rows, queries with bound arguments), and
//! [Hrana] 2 and 3 over HTTP, so that npm's `@libsql/client` works unmodified: interactive transactions and batches on
//! streams that are told apart by batons, expire, and roll back what they had begun.
//!
//! All of it administers: who may ask may do with the data whatever SQL can.
//!
//! Deliberately absent: Hrana over WebSockets and in protobuf; clients fall back to JSON over HTTP.
//!
//! [Hrana]: https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md

mod api;
mod cell;
mod config;
mod failure;
mod figures;
mod hrana;
mod inspect;
mod limits;
mod page;
mod plugin;
mod target;

pub use config::DatabaseSettings;
pub use plugin::DatabasePlugin;
