//! What the gateway itself reads of the configuration on the way of a request. Swapped whole by a reload; an exchange
//! keeps those it began with.

use std::time::Duration;

use buntime_config::Config;
use buntime_http::{client_address::TrustedProxies, server::Limits};

use crate::admin::token::TokenHash;

/// See the module.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Whose forwarding headers are believed.
    pub(crate) trusted: TrustedProxies,
    /// From the request's head to the response's.
    pub(crate) request_timeout: Duration,
    /// Requests under way at most.
    pub(crate) max_requests: Option<usize>,
    /// What opens the admin API; `None` leaves it to the loopback rule.
    pub(crate) admin: Option<TokenHash>,
}

impl Settings {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            trusted: TrustedProxies::new(config.server.trusted_proxies.iter().map(|cidr| cidr.0)),
            request_timeout: config.server.request_timeout.0,
            max_requests: config.server.max_requests.and_then(|most| usize::try_from(most).ok()),
            admin: config.admin.token.as_ref().map(|token| TokenHash::of(token.expose().trim())),
        }
    }
}

/// The listener's limits.
pub(crate) fn limits(config: &Config) -> Limits {
    let server = &config.server;
    Limits {
        max_connections: usize::try_from(server.max_connections).unwrap_or(usize::MAX),
        max_body_size: server.max_body_size.0,
        header_timeout: server.header_timeout.0,
        idle_timeout: server.idle_timeout.0,
        shutdown_grace: server.shutdown_grace.0,
        ..Limits::default()
    }
}
