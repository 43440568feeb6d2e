//! Blocks or masks what must not pass in the bodies of requests and responses: ready sets (card numbers, API keys,
//! tokens, e-mail addresses, phone numbers), linear-time regular expressions, keywords.
//!
//! Bodies stream through: what is held back is only text in which a match may be under way, at most `window` bytes, so
//! an event of a stream is not kept waiting. However a body is split into pieces, the result is the same. A match is at
//! most `window` bytes long; of longer ones only the beginning is seen.
//!
//! Text is told from binary bodies by the content type alone; binary ones are never touched. A body with a
//! `Content-Encoding` cannot be read: it is refused, or passed on as it is where the settings say so.
//!
//! In the runner it is one line of `buntime.jsonc`. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host): see `examples/standalone.rs`.

mod api;
mod body;
mod config;
mod desk;
mod detector;
mod engine;
mod head;
mod hooks;
mod keywords;
mod patterns;
mod plan;
mod plugin;
mod ready;
mod rule;

pub use config::{Action, ContentFilterSettings, Detect, Encoded, On, Ranges, RuleSettings};
pub use plugin::ContentFilterPlugin;
