//! The hook: judges the client's address.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use buntime_core::{Cx, Error, ErrorKind, Hooks, Http, Pre, Scope, Stages, Step};
use http::StatusCode;
use serde::Serialize;

use crate::{
    config::{IpRestrictionSettings, ModeName},
    desk::Figures,
    networks,
    ranges::AddressSet,
};

/// The code of a refusal.
const CODE: &str = "ip_denied";
const DETAIL: &str = "Requests from this address are not allowed";

/// What is said to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Let in.
    Allowed,
    /// On the list of those kept out.
    Denied,
    /// Not on the list of those let in.
    NotAllowed,
}

/// The settings of a scope, ready to be asked.
#[derive(Debug)]
pub(crate) struct Restriction {
    pub(crate) scope: Scope,
    pub(crate) mode: ModeName,
    pub(crate) allow_entries: usize,
    pub(crate) deny_entries: usize,
    pub(crate) figures: Arc<Figures>,
    allow: Option<AddressSet>,
    deny: Option<AddressSet>,
    status: StatusCode,
    message: Option<String>,
}

impl Restriction {
    /// Reads settings that have been checked.
    pub(crate) fn new(settings: &IpRestrictionSettings, scope: Scope, figures: Arc<Figures>) -> Self {
        let count = |list: &Option<Vec<String>>| list.as_ref().map_or(0, Vec::len);
        let set = |list: &Option<Vec<String>>| list.as_deref().map(networks::set);
        Self {
            scope,
            mode: settings.mode.unwrap_or_default(),
            allow_entries: count(&settings.allow),
            deny_entries: count(&settings.deny),
            figures,
            allow: set(&settings.allow),
            deny: set(&settings.deny),
            status: settings
                .status
                .and_then(|status| StatusCode::from_u16(status).ok())
                .unwrap_or(StatusCode::FORBIDDEN),
            message: settings.message.clone(),
        }
    }

    /// What is said to that address. Allocates nothing.
    pub(crate) fn verdict(&self, address: IpAddr) -> Verdict {
        if self.deny.as_ref().is_some_and(|deny| deny.contains(address)) {
            Verdict::Denied
        } else if self.allow.as_ref().is_some_and(|allow| !allow.contains(address)) {
            Verdict::NotAllowed
        } else {
            Verdict::Allowed
        }
    }

    fn refusal(&self) -> Error {
        // A status of 404 is there to tell nothing.
        let (error, otherwise) = if self.status == StatusCode::NOT_FOUND {
            (Error::new(ErrorKind::NotFound), None)
        } else {
            (Error::new(ErrorKind::Forbidden).with_status(self.status).with_code(CODE), Some(DETAIL))
        };
        match (&self.message, otherwise) {
            (Some(message), _) => error.with_detail(message.clone()),
            (None, Some(detail)) => error.with_detail(detail),
            (None, None) => error,
        }
    }
}

/// The hook set.
pub(crate) struct RestrictionHooks(pub(crate) Arc<Restriction>);

impl Hooks<Http> for RestrictionHooks {
    fn stages(&self) -> Stages {
        Stages::PRE
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        let meta = cx.meta();
        let (figures, ip) = (&self.0.figures, meta.client_ip);
        let verdict = self.0.verdict(ip);
        if verdict == Verdict::Allowed {
            figures.allowed.fetch_add(1, Relaxed);
            return Step::ready(Pre::Continue);
        }
        let request_id = meta.request_id_str();
        match self.0.mode {
            ModeName::Observe => {
                figures.observed.fetch_add(1, Relaxed);
                tracing::info!(request_id, %ip, ?verdict, scope = %self.0.scope, "would be refused by address");
                Step::ready(Pre::Continue)
            }
            ModeName::Enforce => {
                figures.denied.fetch_add(1, Relaxed);
                tracing::debug!(request_id, %ip, ?verdict, scope = %self.0.scope, "refused by address");
                Step::ready(Pre::fail(self.0.refusal()))
            }
        }
    }
}
