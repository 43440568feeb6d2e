//! What a request is known by: for `consistent_hash` and for sticky assignment.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::formats;

/// What `consistent_hash` hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    Ip,
    /// The path.
    Path,
    /// The consumer, else the client's address.
    Consumer,
    /// The value of a header.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The value of a query parameter.
    Query(String),
}

impl std::str::FromStr for HashKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "ip" => Ok(Self::Ip),
            None if text == "path" => Ok(Self::Path),
            None if text == "consumer" => Ok(Self::Consumer),
            Some(("header", name)) => formats::header_name(name).map(|()| Self::Header(name.to_ascii_lowercase())),
            Some(("cookie", name)) if formats::header_name(name).is_ok() => Ok(Self::Cookie(name.to_owned())),
            Some(("query", name)) if !name.is_empty() => Ok(Self::Query(name.to_owned())),
            _ => Err("write `ip`, `path`, `consumer`, `header:<name>`, `cookie:<name>` or `query:<name>`".to_owned()),
        }
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip => f.write_str("ip"),
            Self::Path => f.write_str("path"),
            Self::Consumer => f.write_str("consumer"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

super::super::words::text_type!(HashKey, "hash-key");
