//! The starter file of `runner init`.

/// A commented `buntime.jsonc` that loads as it is with the runner's own plugins: metrics, health, logs and proxy.
pub fn starter() -> &'static str {
    include_str!("starter.jsonc")
}
