//! The error stage for operators: what happens when an exchange fails.
//!
//! **Rules** say which failures are tried again, and what answers if that does not help: another service, or a fixed
//! response. **Documents** say what an error looks like to whoever accepts its type: a page for browsers, while programs
//! keep `application/problem+json`. A failure is an error of the gateway; where a rule or document says `answers`, an
//! upstream's own error status is one too.
//!
//! A failure that nothing mends is returned as it was; a document never hides its status. Nothing is tried again that
//! might be done twice: the README has the rules.
//!
//! In the runner it is one line of `buntime.jsonc`. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host): see `examples/standalone.rs`. Fallbacks to services need the program's
//! [`Clusters`](buntime_upstream::Clusters).

mod accept;
mod config;
mod content;
mod document;
mod hooks;
mod matcher;
mod plugin;
mod recovery;
mod replay;
mod rule;
mod status;
mod template;

pub use config::{DocumentSettings, FallbackSettings, ResponseSettings, RetrySettings, RuleSettings, When};
pub use plugin::FallbackPlugin;
pub use status::StatusPattern;
