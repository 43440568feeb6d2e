//! What hooks leave for later hooks: values by their type, a named JSON map, and the reserved ones.

use std::sync::Arc;

use serde_json::Value;

/// Names that only the matching capability may set, and never through the named map.
pub const RESERVED: [&str; 4] = ["identity", "consumer", "request_id", "client_address"];

/// Who is calling, as an `auth_provider` found out.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Identity {
    /// The stable id of the caller.
    pub subject: String,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its groups.
    pub groups: Vec<String>,
    /// Everything else that was claimed.
    pub claims: serde_json::Map<String, Value>,
}

/// A name that plugins may not set.
#[derive(Debug, thiserror::Error)]
pub enum ReservedName {
    /// Set through the named map.
    #[error("`{0}` is a reserved name; plugins with the auth_provider capability set it by its own method")]
    Named(String),
    /// Set without the capability.
    #[error("only a plugin with the auth_provider capability may set the {0}")]
    Capability(&'static str),
}

/// Values of one exchange. Cheap to copy while empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub(crate) typed: http::Extensions,
    pub(crate) named: Option<Box<serde_json::Map<String, Value>>>,
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) consumer: Option<Arc<str>>,
}
