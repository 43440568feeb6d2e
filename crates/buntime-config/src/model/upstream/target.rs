//! One address that answers, and its place among the others.

use std::{fmt, ops::Deref};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use crate::formats;

/// One address that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// `http://` or `https://`, a host, a port and perhaps a path that is put before the request's.
    pub url: TargetUrl,
    /// Its share; 0 gets nothing. Default 1.
    #[serde(default = "default_weight")]
    #[schemars(range(max = 1_000_000))]
    pub weight: u32,
    /// Its tier: a lower one (a bigger number) is used only while no higher one is healthy. Default 0.
    #[serde(default)]
    pub priority: u32,
    /// How many requests it gets at a time. Without it there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_connections: Option<u32>,
}

impl Target {
    /// That address, with weight 1 in the highest tier.
    pub fn new(url: TargetUrl) -> Self {
        Self { url, weight: default_weight(), priority: 0, max_connections: None }
    }
}

fn default_weight() -> u32 {
    1
}

/// The address of a target. It has a host, and no credentials, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl(Url);

impl Deref for TargetUrl {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.0
    }
}

impl std::str::FromStr for TargetUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        formats::http_url(text).map(Self)
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

super::super::words::text_type!(TargetUrl, "http-url");
