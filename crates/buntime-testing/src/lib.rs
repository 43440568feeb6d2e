//! Fakes, the plugin compliance suite and [`TestRuntime`]: a development dependency only.
//!
//! - [`compliance`]: what every plugin crate runs in its `tests/compliance.rs`.
//! - [`TestRuntime`]: plugins behind a real listener on port 0.
//! - [`FakePlugin`]: a plugin that does what a test tells it: fail, stall, panic, answer, note what it saw.
//! - [`FakeUpstream`] and [`RawUpstream`]: what plugins talk to, well-behaved or not.
//! - [`readme`]: a plugin's README, held to its word.
//! - [`eventually`]: waits for what becomes true, with patience instead of sleeps.

mod compliance;
mod fake_plugin;
mod patience;
mod readme;
mod runtime;
mod upstream;

pub use compliance::{compliance, compliance_with};
pub use fake_plugin::{Act, FakePlugin, Journal};
pub use patience::eventually;
pub use readme::{readme, readme_with};
pub use runtime::{TestRuntime, TestRuntimeBuilder};
pub use upstream::{FakeUpstream, RawUpstream};
