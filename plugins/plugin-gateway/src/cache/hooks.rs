//! The hook set, at 24: behind authorization, so that nobody is served what they may not see, and before what has no part
//! in what was answered.
//!
//! On the way in it answers from what is stored, waits for another who fetches the same, or lets the request go on, with a
//! condition if something stale is there. On the way back it stores, renews, invalidates, or serves what is stale instead
//! of an error. What stands behind it in the chain is stored with what it did; what stands before it runs each time.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use buntime_core::{Cx, Error, ErrorKind, Hooks, Http, OnFailure, Post, Pre, Stages, Step};
use http::Method;
use http_body::Body as _;

use super::{collapse::Outcome, journey::take, plan::Inner, request::Asked};
use crate::shell::IsShells;

/// See the module.
#[derive(Debug)]
pub(crate) struct CacheHooks(pub(crate) Arc<Inner>);

impl Hooks<Http> for CacheHooks {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST | Stages::ERROR
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        let inner = &self.0;
        let head = cx.request();
        match head.method {
            Method::GET if inner.plan.get => {}
            Method::HEAD if inner.plan.head => {}
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::CONNECT => {
                return Step::ready(Pre::Continue);
            }
            _ => return Step::ready(Pre::Continue),
        }
        let asked = Asked::of(&head.headers);
        let path = head.uri.path();
        let excluded = !inner.plan.exclude.is_empty() && inner.plan.exclude.iter().any(|p| p.is_match(path));
        // What the shell says is not what else is at that path.
        let passes = asked.passes || cx.get::<IsShells>().is_some();
        if excluded || passes || !cx.whole_request_mut().body.is_end_stream() {
            inner.store.figures.passed.fetch_add(1, Relaxed);
            return Step::ready(Pre::Continue);
        }
        inner.step(cx, asked)
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        Step::ready(match take(cx) {
            Some(journey) => self.0.settle(cx, *journey),
            None => {
                self.0.after_a_change(cx);
                Post::Continue
            }
        })
    }

    fn error<'a>(&'a self, cx: &'a mut Cx<Http>, error: &'a Error) -> Step<'a, OnFailure<Http>> {
        let Some(mut journey) = take(cx) else { return Step::ready(OnFailure::PassOn) };
        journey.give_conditions_back(cx);
        if error.kind() == ErrorKind::ClientClosed {
            return Step::ready(OnFailure::PassOn);
        }
        let lead = journey.lead.take();
        let failed = error.status().is_server_error();
        let instead = if failed { self.0.instead_of_an_error(cx, &journey, error.status()) } else { None };
        if let Some(lead) = lead {
            lead.end(Outcome::Apart);
        }
        Step::ready(instead.map_or(OnFailure::PassOn, |response| OnFailure::Recover(Box::new(response))))
    }
}
