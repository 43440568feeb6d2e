//! What a cluster's settings say, made ready for requests.

use std::time::Duration;

use axum::body::Body;
use buntime_config::model::{Algorithm, HashKey, Queue, Upstream as Settings};
use http::{Method, Request};

use super::{hash, options::Call, rota::Rules, send::Asked};

#[derive(Debug)]
pub(super) struct Policy {
    pub(super) rules: Rules,
    by: Option<HashKey>,
    cookie: Option<Cookie>,
    pub(super) queue: Option<Queue>,
    pub(super) retries: u32,
    pub(super) statuses: Box<[u16]>,
    pub(super) methods: Box<[Method]>,
    /// The longest body that is kept to be sent again.
    pub(super) keep: u64,
    pub(super) backoff: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) try_timeout: Option<Duration>,
    /// Some target is a name whose addresses are asked in turn.
    pub(super) spreads: bool,
}

/// A cookie that is issued to who has none.
#[derive(Debug)]
pub(super) struct Cookie {
    name: String,
    ttl: Option<Duration>,
}

impl Policy {
    pub(super) fn new(settings: &Settings) -> Self {
        let sticky = settings.sticky.as_ref();
        let by = match (sticky, settings.algorithm) {
            (Some(sticky), _) => Some(sticky.by.clone()),
            (None, Algorithm::IpHash) => Some(HashKey::Ip),
            (None, Algorithm::ConsistentHash) => settings.key_by.clone(),
            (None, _) => None,
        };
        let cookie = sticky.and_then(|sticky| match &sticky.by {
            HashKey::Cookie(name) => Some(Cookie { name: name.clone(), ttl: sticky.ttl.map(Duration::from) }),
            _ => None,
        });
        Self {
            rules: Rules { algorithm: settings.algorithm, slow_start: settings.slow_start.map(Duration::from) },
            by,
            cookie,
            queue: settings.queue,
            retries: settings.retries,
            statuses: settings.retry.statuses.clone().into(),
            methods: settings.retry.methods.iter().map(|method| (**method).clone()).collect(),
            keep: settings.retry.max_body.0,
            backoff: settings.retry.backoff.into(),
            timeout: settings.timeout.map(Duration::from),
            try_timeout: settings.try_timeout.map(Duration::from),
            spreads: false,
        }
    }

    /// What the request is known by; a new cookie for who should have one and has none.
    #[inline]
    pub(super) fn key(&self, request: &Request<Body>, call: &Call<'_>) -> Asked<'_> {
        let Some(by) = &self.by else { return Asked { key: None, issue: None } };
        let key = hash::key(by, request.headers(), request.uri(), call.client_ip, call.consumer);
        match (&self.cookie, key) {
            (Some(cookie), None) => {
                let value = format!("{:032x}", fastrand::u128(..));
                Asked { key: Some(hash::text(&value)), issue: Some((cookie, value)) }
            }
            _ => Asked { key, issue: None },
        }
    }
}

impl Cookie {
    /// The field that issues it.
    pub(super) fn field(&self, value: &str, is_secure: bool) -> String {
        let secure = if is_secure { "; Secure" } else { "" };
        let mut field = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", self.name);
        if let Some(ttl) = self.ttl {
            field.push_str(&format!("; Max-Age={}", ttl.as_secs().max(1)));
        }
        field
    }
}
