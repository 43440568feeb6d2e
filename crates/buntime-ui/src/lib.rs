//! The shell and the components of pages: navigation, light and dark, tables, figures, forms, charts.
//!
//! Pages are rendered by the server with [`maud`]; what changes while a person looks is kept up to date by small
//! hand-written ES modules that ask the JSON and event streams of the APIs. There is no inline script and no inline
//! style, and the [policy](page::POLICY) of every page forbids them. Nothing is loaded from anywhere else, and nothing
//! is built: the files in `files/` are served as they are.
//!
//! A plugin gives its page to [`register`]:
//!
//! ```
//! use buntime_core::{Access, Startup};
//! use buntime_ui::{File, PluginPage, parts, register};
//! use maud::html;
//!
//! fn offer(startup: &mut Startup) {
//!     // In a plugin: `File::new("page.js", include_str!("page.js"))`.
//!     let module = File::new("page.js", "import { poll } from './kit.js';");
//!     let content = || html! { (parts::table("orders", "Orders", &["Number", "State"])) };
//!     register(startup, Access::Admin, PluginPage::new("Orders", module, content).at(50));
//! }
//! ```
//!
//! A page works in any axum program that mounts the plugin: its style and modules are served below its own base.

pub mod assets;
pub mod nav;
pub mod page;
pub mod parts;
mod plugin;

pub use assets::{File, Files};
pub use nav::{Link, Nav, Runtime};
pub use page::{Page, Shell};
pub use plugin::{PluginPage, register};
