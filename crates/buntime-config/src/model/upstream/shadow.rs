//! Copies of requests for a shadow target, and assignments that last.

use buntime_core::units::{Size, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HashKey, TargetUrl};

/// Sends copies of requests to a shadow target. Nobody waits for it or sees its answers; a copy has the field
/// `X-Buntime-Shadow: 1`, and otherwise every field that the targets get, `Authorization` and `Cookie` among them: name
/// a target that may see them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mirror {
    /// Who gets the copies.
    pub target: TargetUrl,
    /// How many of the requests are copied, in percent. Default 100.
    #[serde(default = "all")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: f64,
    /// How long a copy may take. Default 5s.
    #[serde(default = "default_timeout")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: Span,
    /// Requests with a longer body are not copied. Default 64kb.
    #[serde(default = "default_max_body")]
    pub max_body: Size,
    /// How many copies are under way at most; past it requests are not copied. Default 64.
    #[serde(default = "default_in_flight")]
    #[schemars(range(min = 1))]
    pub max_in_flight: u32,
}

fn all() -> f64 {
    100.0
}

fn default_timeout() -> Span {
    Span::secs(5)
}

fn default_max_body() -> Size {
    Size(64 << 10)
}

fn default_in_flight() -> u32 {
    64
}

/// Keeps who asks at one target. Weights decide which; when they change, or a target comes or goes, only as many move
/// as must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sticky {
    /// Who asks: `cookie:<name>` (one is issued to those who have none), `header:<name>`, `ip`, `consumer`, `path` or
    /// `query:<name>`.
    pub by: HashKey,
    /// How long an issued cookie lasts. Without it, until the browser is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub ttl: Option<Span>,
}
