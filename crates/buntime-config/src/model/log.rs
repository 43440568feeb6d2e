//! `log`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Log {
    /// Nothing less important is logged. `BUNTIME_LOG` (a tracing filter) wins. Default `info`.
    pub level: LogLevel,
    /// How lines look. Default `auto`.
    pub format: LogFormat,
    /// Is a line logged for every exchange? Default true.
    pub access: bool,
    /// `BUNTIME_LOG`, a tracing filter such as `info,buntime_http=debug`. Not a key of the file.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub filter: Option<String>,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Auto, access: true, filter: None }
    }
}

impl Log {
    /// The tracing filter in force: `BUNTIME_LOG`, else the level.
    pub fn directives(&self) -> &str {
        self.filter.as_deref().unwrap_or(self.level.as_str())
    }
}

/// How important a line must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing at all.
    Off,
    /// What needs somebody.
    Error,
    /// What may become a problem.
    Warn,
    /// What happened.
    Info,
    /// How it happened.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `pretty` on a terminal, `json` otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}
