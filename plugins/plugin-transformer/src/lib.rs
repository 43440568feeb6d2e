//! Changes requests on their way to who answers, and responses on their way back.
//!
//! **Rules** say for which exchanges they are, and what they change: headers, the query, the path that the upstream is
//! asked for, the status, and bodies: by JSON Pointer, by a template of a whole new one, and from JSON, forms and XML into
//! each other. Values are templates (`buntime-template`), read and checked at load.
//!
//! **A body is kept in memory only where a rule looks into it**, up to a limit; every other streams through untouched. What
//! is packed, too large or not what it says is never half changed: the exchange fails, or goes on as if the rule were not
//! there, as configured. No header can be injected, and none that the edge gives out can be changed.
//!
//! In the runner it is one line of `buntime.jsonc`. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host): see `examples/standalone.rs`.

mod api;
mod body;
mod config;
mod content;
mod desk;
mod failure;
mod headers;
mod hooks;
mod path;
mod plan;
mod plugin;
mod query;
mod rule;
mod turn;
mod when;

pub use config::{
    BodySettings, FieldSettings, FormatName, KindName, OnFailure, OperationSettings, PathSettings, RequestSettings,
    ResponseSettings, RuleSettings, TransformerSettings, WhenSettings,
};
pub use plugin::TransformerPlugin;
