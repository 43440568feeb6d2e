//! The runner: the gateway as a program. It reads `buntime.jsonc`, starts the plugins it names, and serves.
//!
//! A program of yours can start the same thing with plugins of its own:
//!
//! ```no_run
//! use buntime_config::Source;
//! use runner::{Options, start};
//!
//! # async fn example() -> Result<(), runner::StartError> {
//! let running = start(Options::new(Source::File("buntime.jsonc".into()))).await?;
//! println!("listening on {}", running.url());
//! running.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! The way of a request is in `gateway`; the admin API in `admin`; what keeps file, admin changes and other nodes in
//! step in `keeper`. Only `catalog` knows which plugins are compiled in.

mod admin;
pub mod catalog;
pub mod cli;
mod databases;
mod explain;
mod gateway;
mod keeper;
mod logging;
mod openapi;
mod overlay;
mod pages;
mod program;
mod services;
mod settings;
mod signals;
mod start;
mod watch;

pub use start::{Options, ReloadRefused, Running, StartError, start};

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
