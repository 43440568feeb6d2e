//! KeyVal: a store of ordered keys and typed values, strictly consistent, that Deno uses as its own.
//!
//! `await Deno.openKv("http://host/p/keyval")` works unmodified, and so does `openKv` of npm's `@deno/kv`: [KV Connect] is
//! spoken in its versions 1 to 3: reads of one moment, atomic writes with checks, sums within limits, expiry, watches that
//! the commit pushes, messages into queues. `…/p/keyval/ns/<name>` is another key space in the same store.
//!
//! The same store over REST, for everything else: `/api` below the base, in the shapes of the original's
//! `@buntime/keyval`, whose client works unmodified.
//!
//! Who may: with `accessTokens`, whoever has one of them; without, only direct connections from this machine, whatever
//! token they show. Other plugins get the store as a typed service, [`Engine`](buntime_keyval::Engine).
//!
//! The store itself is the crate `buntime-keyval`; this crate is its face. Alone, in any axum program, it is a plugin of a
//! [`Host`](buntime_core::Host): see `examples/standalone.rs`.
//!
//! [KV Connect]: https://github.com/denoland/denokv/blob/main/proto/kv-connect.md

mod access;
mod body;
mod config;
mod connect;
mod face;
mod openapi;
mod ops;
mod page;
mod plugin;
mod rest;
mod usage;

pub use config::KeyvalSettings;
pub use plugin::KeyvalPlugin;
