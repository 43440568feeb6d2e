//! Recognises consumers by the API keys of the configuration: what the runner uses where there is no auth plugin.
//!
//! It stands at priority 10 and is an `auth_provider` like any other: what it finds out is the consumer, from which on
//! the chain is the consumer's own. An unknown key is nobody's and changes nothing. See `examples/standalone.rs`.
//!
//! What is absent on purpose: refusing who has no key (an auth plugin's, or authorization's task), keys that expire,
//! keys kept in a database.

mod api;
mod config;
mod hooks;
mod plugin;

pub use config::ConsumerKeysSettings;
pub use hooks::digest;
pub use plugin::ConsumerKeysPlugin;
