//! `server` and `admin`.

use std::path::PathBuf;

use buntime_core::units::{Size, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Cidr, Secret};

/// The listener and its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Server {
    /// The address to listen on: an IP address or a host name. `HOST` wins. Default `127.0.0.1`.
    #[schemars(extend("format" = "host"))]
    pub host: String,
    /// The port; 0 picks a free one and prints it. `PORT` wins. Default 8000.
    pub port: u16,
    /// Peers (CIDRs) whose `Forwarded` and `X-Forwarded-*` are believed; nobody else's are.
    pub trusted_proxies: Vec<Cidr>,
    /// The longest request body. Default 10mb.
    pub max_body_size: Size,
    /// How long a client may take to send the head of a request. Default 10s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub header_timeout: Span,
    /// How long an answer's head may take, then 504. It never cuts a body or a stream. Default 60s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub request_timeout: Span,
    /// How long a connection may stay without a request. Default 75s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub idle_timeout: Span,
    /// How long running exchanges may take when the runner stops. Default 30s.
    pub shutdown_grace: Span,
    /// How many connections are open at most. Default 10000.
    #[schemars(range(min = 1))]
    pub max_connections: u32,
    /// How many requests are under way at most; past it the answer is 503 `over_capacity` at once. Health, the admin API
    /// and plugins' pages are excepted. Without it there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_requests: Option<u32>,
    /// Serves https (and HTTP/2 by ALPN) with this certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8000,
            trusted_proxies: Vec::new(),
            max_body_size: Size(10 << 20),
            header_timeout: Span::secs(10),
            request_timeout: Span::secs(60),
            idle_timeout: Span::secs(75),
            shutdown_grace: Span::secs(30),
            max_connections: 10_000,
            max_requests: None,
            tls: None,
        }
    }
}

/// A certificate and its key, as PEM files. Whether they fit is checked by who opens them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// The certificate and its chain.
    #[schemars(with = "String", length(min = 1))]
    pub cert: PathBuf,
    /// Its private key.
    #[schemars(with = "String", length(min = 1))]
    pub key: PathBuf,
}

/// Who may administer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Admin {
    /// What opens the admin API. `BUNTIME_ADMIN_TOKEN` wins. Without one (or with an empty one) only direct
    /// connections from this machine may administer.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "no_empty_token")]
    pub token: Option<Secret>,
}

/// `"${BUNTIME_ADMIN_TOKEN:-}"` without the variable means that there is no token, never that the empty one opens.
fn no_empty_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<Secret>::deserialize(deserializer)?.filter(|token| !token.expose().trim().is_empty()))
}
