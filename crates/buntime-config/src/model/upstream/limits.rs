//! What waits, how names are looked up, and which HTTP is spoken.

use buntime_core::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What waits for a connection; past it the answer is 503 `over_capacity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Queue {
    /// How many wait. Default 50.
    pub max: u32,
    /// How long each waits. Default 5s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: Span,
}

impl Default for Queue {
    fn default() -> Self {
        Self { max: 50, timeout: Span::secs(5) }
    }
}

/// How the names of targets are looked up. A name with several addresses gets its requests spread over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns {
    /// How often names are looked up again; connections to addresses that are gone are not used any more. When that
    /// fails the last addresses stay. `0s`: only when a connection is made. Default 30s.
    pub refresh: Span,
}

impl Dns {
    /// Is it as it is when nobody says anything?
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self { refresh: Span::secs(30) }
    }
}

/// Which HTTP is spoken to targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speak {
    /// To `https` targets what both agree on, to `http` targets HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; to `http` targets without asking.
    Http2,
}
