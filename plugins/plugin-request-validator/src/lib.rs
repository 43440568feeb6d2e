//! Refuses requests that are too large, or not what the service takes, before anything else works on them.
//!
//! **Limits** are for every request: sizes of the body, the target and each header, and how many headers, query
//! parameters and cookies there are. **Rules** are for some methods and paths: content types, required headers, required
//! and allowed query parameters, and JSON Schemas of query and body. Answers are 400, 408, 413, 414, 415 and 431; a 400
//! lists in `errors` what is wrong and where, and repeats no value.
//!
//! A body is kept in memory only where a schema judges it, up to a limit, and reaches the upstream byte for byte.
//! Nothing a client sends takes more than linear time or nests deeper than a limit; schemas refer to nothing outside
//! themselves.
//!
//! In the runner it is one line of `buntime.jsonc`. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host): see `examples/standalone.rs`.

mod api;
mod config;
mod desk;
mod hooks;
mod limits;
mod plan;
mod plugin;
mod query;
mod rule;
mod schema;

pub use config::{ModeName, RequestValidatorSettings, RuleSettings};
pub use plugin::RequestValidatorPlugin;
