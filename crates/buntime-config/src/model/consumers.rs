//! `consumerGroups` and `consumers`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PluginEntry, Secret};

/// A group of consumers. Groups apply in ascending priority, then by name; later wins.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsumerGroup {
    /// Its name; no two groups share one.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// Its place among the groups of one consumer. Default 0.
    #[serde(default)]
    pub priority: i32,
    /// What it configures.
    #[serde(default)]
    pub plugins: Vec<PluginEntry>,
}

/// Somebody who calls.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consumer {
    /// Its name; no two consumers share one.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// The groups it belongs to, by name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// How it is recognised: any one of these is enough.
    #[serde(default, rename = "match")]
    pub matches: Vec<ConsumerMatch>,
    /// What it configures.
    #[serde(default)]
    pub plugins: Vec<PluginEntry>,
}

/// One way to recognise a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ConsumerMatch {
    /// The key in `X-API-Key` or in a bearer token; used when there is no auth plugin.
    ApiKey(Secret),
    /// The subject that the auth plugin found.
    Sub(String),
    /// Claims of the identity; every one must be equal.
    Claim(#[schemars(with = "BTreeMap<String, ClaimValue>")] BTreeMap<String, Value>),
}

/// What a claim is compared with; only describes the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands for the schema of a claim's value")]
enum ClaimValue {
    Text(String),
    Number(f64),
    Bool(bool),
}
