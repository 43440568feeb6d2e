//! The plugin in the real executor: what reaches the handler, and what the client gets.

mod bodies;
mod common;
mod conversions;
mod heads;
mod served;
mod settings;
