//! Asks an external API about a request, and puts fields of its answer into the request, or stops it.
//!
//! A **call** says what is asked (endpoint, method, headers, query, body: templates, read and checked at load), which fields
//! of the answer go where (headers, query, the JSON body, named values for later plugins), and on which answers the request
//! is stopped. Answers may be **cached** by a key, bounded in number and bytes; whoever asks for one key at a time shares one
//! call. Each call has a time limit, retries where it may be repeated, and a circuit that opens when it keeps failing.
//!
//! Every call goes through the outbound guard: an origin that the operator wrote is trusted as written, and what a
//! template fills in from a request is judged; so is every redirect. Answers are bounded. Headers of calls are never logged.
//!
//! In the runner it is one line of `buntime.jsonc`. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host): see `examples/standalone.rs`.

mod answer;
mod api;
mod cache;
mod call;
mod circuit;
mod condition;
mod config;
mod desk;
mod destination;
mod endpoint;
mod hooks;
mod plan;
mod plugin;
mod request_body;
mod schema;
mod send;

pub use config::{
    CacheSettings, CallSettings, CallsSettings, ConditionSettings, EnricherSettings, FieldMapSettings, OnFailure,
    OperatorName, WhenSettings,
};
pub use plugin::EnricherPlugin;
