//! The plugin in the real executor: what passes, what is answered, what reaches the handler.

mod bodies;
mod common;
mod heads;
mod settings;
