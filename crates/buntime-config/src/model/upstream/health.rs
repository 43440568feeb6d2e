//! How targets that fail are found.

use std::fmt;

use buntime_core::units::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How targets that fail are found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HealthChecks {
    /// By asking them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveHealth>,
    /// By watching what they answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveHealth>,
}

impl HealthChecks {
    /// Is nothing checked?
    pub fn is_off(&self) -> bool {
        self.active.is_none() && self.passive.is_none()
    }
}

/// Asks every target now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ActiveHealth {
    /// What is asked for, from the root of the target's host. Default `/`.
    #[schemars(extend("format" = "request-path"))]
    pub path: String,
    /// How often. Default 5s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub interval: Span,
    /// How long an answer may take. Default 1s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timeout: Span,
    /// That many failures in a row take it out. Default 3.
    #[schemars(range(min = 1))]
    pub unhealthy_after: u32,
    /// That many successes in a row take it back. Default 2.
    #[schemars(range(min = 1))]
    pub healthy_after: u32,
    /// Which answers are successes. Default `200-399`.
    #[schemars(length(min = 1))]
    pub statuses: Vec<StatusRange>,
}

impl Default for ActiveHealth {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval: Span::secs(5),
            timeout: Span::secs(1),
            unhealthy_after: 3,
            healthy_after: 2,
            statuses: vec![StatusRange { from: 200, to: 399 }],
        }
    }
}

/// Takes a target out for a while when too many of its answers are failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PassiveHealth {
    /// That many within `window` take it out, for `window`. Default 5.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// See `failures`. Default 30s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub window: Span,
    /// How many of the targets may be out for this reason, in percent; never all of them. Default 50.
    #[schemars(range(max = 100))]
    pub max_ejected: u32,
}

impl Default for PassiveHealth {
    fn default() -> Self {
        Self { failures: 5, window: Span::secs(30), max_ejected: 50 }
    }
}

/// Status codes from one to another, both among them: `200-399`, or `204` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// The lowest.
    pub from: u16,
    /// The highest.
    pub to: u16,
}

impl StatusRange {
    /// Is it among them?
    pub fn contains(self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

impl std::str::FromStr for StatusRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let code = |part: &str| part.trim().parse::<u16>().ok().filter(|code| (100..=599).contains(code));
        match (code(from), code(to)) {
            (Some(from), Some(to)) if from <= to => Ok(Self { from, to }),
            _ => Err("write a status from 100 to 599, or two as in `200-399`".to_owned()),
        }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { write!(f, "{}", self.from) } else { write!(f, "{}-{}", self.from, self.to) }
    }
}

super::super::words::text_type!(StatusRange, "status-range");
