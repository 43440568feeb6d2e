//! `buntime.jsonc`: from a file and an environment to a [`Config`], or to every reason why not.
//!
//! ```
//! use buntime_config::{Context, FixedCatalog, Source, load};
//!
//! let catalog = FixedCatalog::new().with("metrics", None);
//! let env = [("PORT", "9000")];
//! let source = Source::Text { file: "buntime.jsonc".into(), text: r#"{ "plugins": ["metrics"] }"#.into() };
//! let loaded = load(&source, &Context { catalog: &catalog, env: &env, plugins: &[] }).unwrap();
//! assert_eq!(loaded.config.server.port, 9000);
//! ```
//!
//! The way of a file: [`Source`] (which one) → parser (a tree with ranges, on jsonc-parser's scanner) → `${NAME}` →
//! environment and flags → schema, plugin entries by the [`PluginCatalog`], checks across the file → [`Config`].
//! Each step adds to one list of [`Diagnostics`], and nothing of a file with an error is used.
//!
//! Limits: a file has at most 8 MiB, 250 000 values and 128 levels. Watching the file belongs to the runner, merging
//! the scopes of a plugin's settings to the core.

mod catalog;
mod checks;
mod diagnostics;
mod entries;
mod env;
mod formats;
mod hide;
mod init;
mod lexer;
mod load;
mod lookup;
mod mask;
pub mod model;
mod overrides;
mod parser;
mod plugin_variables;
mod render;
mod schema;
mod source;
mod substitute;
mod suggest;
mod tree;
pub mod upstreams;
mod validate;

pub use catalog::{FixedCatalog, PluginCatalog, SettingsProblem};
pub use diagnostics::{Diagnostic, Diagnostics, Problem, Severity};
pub use env::{Env, ProcessEnv};
pub use formats::{RESERVED, plugin_base};
pub use init::starter;
pub use load::{Context, Loaded, load};
pub use lookup::{LARGEST_FILE, Source};
pub use mask::{MASK, is_secret_name, mask, mask_merged};
pub use model::{Config, PluginEntry, Secret};
pub use schema::schema;
pub use source::{Position, SourceFile, TextRange};
pub use tree::Place;
