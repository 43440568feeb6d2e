//! The settings of a scope, ready.

use std::{sync::Arc, time::Duration};

use buntime_core::{Cx, Http, Meta, Scope, SettingsProblem};
use http::{Method, StatusCode, header};

use crate::{
    config::{OnFailure, TransformerSettings},
    desk::Figures,
    failure::{Failure, Side},
    rule::Rule,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scope: Scope,
    pub(crate) rules: Vec<Rule>,
    pub(crate) limits: Limits,
    pub(crate) figures: Arc<Figures>,
}

/// Of bodies that are looked into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) depth: u8,
    pub(crate) time: Duration,
}

impl Plan {
    /// Reads settings.
    ///
    /// # Errors
    /// What is wrong with its rules.
    pub(crate) fn new(
        settings: &TransformerSettings,
        scope: Scope,
        figures: Arc<Figures>,
    ) -> Result<Self, Vec<SettingsProblem>> {
        let rules = settings.rules.iter().enumerate().map(|(index, rule)| Rule::new(rule, &format!("/rules/{index}")));
        let limits = Limits {
            size: settings.max_body_size.map_or(1 << 20, |size| size.0),
            depth: settings.max_depth.unwrap_or(64),
            time: settings.body_timeout.map_or(Duration::from_secs(4), Duration::from),
        };
        Ok(Self { scope, rules: rules.collect::<Result<_, _>>()?, limits, figures })
    }

    /// The rules for such an exchange, by their numbers.
    pub(crate) fn rules_for(&self, cx: &Cx<Http>) -> u128 {
        self.some(u128::MAX, |rule| rule.when.is_for(cx))
    }

    /// Those that change the request.
    pub(crate) fn for_request(&self, cx: &Cx<Http>, rules: u128) -> u128 {
        self.some(rules, |rule| rule.request.is_some() && rule.when.takes(&cx.request().headers))
    }

    /// Those that change the response.
    pub(crate) fn for_response(&self, cx: &Cx<Http>, rules: u128) -> u128 {
        let Some(head) = cx.response() else { return 0 };
        // An upgraded connection is no message.
        if rules == 0 || head.status == StatusCode::SWITCHING_PROTOCOLS || cx.request().method == Method::CONNECT {
            return 0;
        }
        self.some(rules, |rule| {
            rule.response.is_some() && rule.when.takes_status(head.status) && rule.when.takes(&head.headers)
        })
    }

    /// Those of these rules that change responses at all.
    pub(crate) fn answering(&self, rules: u128) -> u128 {
        self.some(rules, |rule| rule.response.is_some())
    }

    /// Does one of these rules want the body?
    pub(crate) fn want_body(&self, rules: u128, side: Side) -> bool {
        self.chosen(rules).any(|rule| rule.part(side).is_some_and(|part| part.wants_body))
    }

    fn some(&self, among: u128, is: impl Fn(&Rule) -> bool) -> u128 {
        let found = self.rules.iter().enumerate().filter(|(index, rule)| among & (1 << index) != 0 && is(rule));
        found.fold(0, |all, (index, _)| all | 1 << index)
    }

    /// Tells the log and the figures that a rule could not do what it says.
    pub(crate) fn note(&self, meta: &Meta, rule: &Rule, side: Side, failure: &Failure, then: OnFailure) {
        self.figures.failed(then);
        let (request_id, scope, rule) = (meta.request_id_str(), &self.scope, rule.name.as_str());
        match (side, then) {
            (Side::Response, OnFailure::Fail) => {
                tracing::warn!(request_id, %scope, rule, "a response cannot be transformed: {}", failure.text());
            }
            _ => tracing::debug!(request_id, %scope, rule, ?side, ?then, "cannot be transformed: {}", failure.text()),
        }
    }

    /// Asks the upstream for something that can be looked into: whole, and not packed.
    pub(crate) fn prepare(cx: &mut Cx<Http>) {
        let headers = &mut cx.request_mut().headers;
        for name in [header::ACCEPT_ENCODING, header::RANGE, header::IF_RANGE] {
            headers.remove(name);
        }
    }
}
