//! The plugin's two hook sets.
//!
//! `recovery` stands further out: it sees every error, and decides. `answers` stands just behind it, and sees answers on
//! their way back first: one that a rule calls a failure becomes an error there, with the answer kept, so that
//! `recovery` may give it a handler; a `post` hook itself could not wait for one.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use buntime_core::{
    Cx, Error, ErrorKind, Hooks, Http, HttpResponse, OnFailure, Post, Pre, Retry, Source, Stages, Step,
};
use http::{Method, StatusCode, header};
use http_body::Body as _;

use crate::{
    document::Documents,
    matcher::Failure,
    recovery::{Original, Recovery, copy_of, may_follow},
    replay::Replay,
    rule::Rule,
};

/// Everything the settings say.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) rules: Vec<Rule>,
    pub(crate) documents: Documents,
    /// How much of a body is kept, in bytes.
    pub(crate) max_body: usize,
}

impl Plan {
    /// The document of an error, which is logged here then: nobody after this sees that it was one.
    pub(crate) fn document(&self, cx: &Cx<Http>, error: &Error) -> Option<HttpResponse> {
        let response = self.documents.of_error(cx, error)?;
        let request_id = cx.meta().request_id_str();
        match error.source_of() {
            Source::Client => tracing::debug!(request_id, "request failed: {}", error.report()),
            Source::Upstream | Source::Plugin => tracing::warn!(request_id, "request failed: {}", error.report()),
            Source::Internal => tracing::error!(request_id, "request failed: {}", error.report()),
        }
        Some(response)
    }

    /// The rules for such a failure of this request, in order, with their places.
    fn rules_for<'a>(
        &'a self,
        cx: &'a Cx<Http>,
        failure: Failure<'a>,
    ) -> impl Iterator<Item = (usize, &'a Rule)> + use<'a> {
        self.rules.iter().enumerate().filter(move |(_, rule)| rule.matcher.takes(failure) && rule.matcher.is_for(cx))
    }
}

/// What is remembered of an exchange that may be sent again.
#[derive(Clone, Default)]
pub(crate) struct Exchange(Arc<Mutex<Remembered>>);

#[derive(Default)]
struct Remembered {
    /// The handler was called: what failed before that was refused, and must not be sent past who refused it.
    reached: bool,
    body: Option<Replay>,
    /// The answer that was called a failure.
    answer: Option<Box<HttpResponse>>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

impl Exchange {
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to remember: the handler is about to be called.
    fn begin(&self, cx: &mut Cx<Http>, max_body: usize) {
        let body = cx.take_body();
        let mut remembered = self.lock();
        remembered.reached = true;
        if body.is_end_stream() {
            cx.set_body(body);
            return;
        }
        let replay = Replay::new(body, max_body);
        if let Some(body) = replay.body() {
            cx.set_body(body);
        }
        remembered.body = Some(replay);
    }

    /// Gives the request its body again. `None` when it cannot.
    pub(crate) fn restore(&self, cx: &mut Cx<Http>) -> Option<()> {
        let remembered = self.lock();
        let body = match &remembered.body {
            Some(replay) if remembered.reached => replay.body()?,
            None if remembered.reached => axum::body::Body::empty(),
            _ => return None,
        };
        cx.set_body(body);
        Some(())
    }

    /// Nothing will be sent again.
    pub(crate) fn forget(&self) {
        if let Some(replay) = &self.lock().body {
            replay.forget();
        }
    }

    fn was_reached(&self) -> bool {
        self.lock().reached
    }
}

/// The outer set.
pub(crate) struct RecoveryHooks(pub(crate) Arc<Plan>);

impl Hooks<Http> for RecoveryHooks {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST | Stages::ERROR
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        let sends = self.0.rules.iter().any(|rule| rule.sends() && rule.matcher.is_for(cx));
        let head = cx.request();
        // An upgraded connection is one of a kind.
        if sends && head.method != Method::CONNECT && !head.headers.contains_key(header::UPGRADE) {
            let (exchange, max_body) = (Exchange::default(), self.0.max_body);
            cx.insert(exchange.clone());
            cx.before_handler(move |cx| exchange.begin(cx, max_body));
        }
        Step::ready(Pre::Continue)
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        if let Some(exchange) = cx.get::<Exchange>() {
            exchange.forget();
        }
        let Some(status) = failed(cx) else { return Step::ready(Post::Continue) };
        let fixed = self.0.rules_for(cx, Failure::Answer(status)).find_map(|(_, rule)| rule.response.as_ref());
        if let Some(fixed) = fixed {
            let response = fixed.response(&cx.request().method);
            return Step::ready(Post::Replace(Box::new(response)));
        }
        if self.0.documents.may_dress(status)
            && let Some(mut response) = take_response(cx)
        {
            self.0.documents.dress_answer(cx, &mut response);
            return Step::ready(Post::Replace(response));
        }
        Step::ready(Post::Continue)
    }

    fn error<'a>(&'a self, cx: &'a mut Cx<Http>, error: &'a Error) -> Step<'a, OnFailure<Http>> {
        if error.kind() == ErrorKind::ClientClosed {
            return Step::ready(OnFailure::PassOn);
        }
        Step::ready(self.decide(cx, error))
    }
}

impl RecoveryHooks {
    fn decide(&self, cx: &mut Cx<Http>, error: &Error) -> OnFailure<Http> {
        let exchange = cx.get::<Exchange>().cloned().unwrap_or_default();
        let answer = exchange.lock().answer.take();
        let failure = answer.as_ref().map_or(Failure::Error(error), |answer| Failure::Answer(answer.head.status));
        let may_send = exchange.was_reached() && may_follow(error, &cx.request().method);
        let ends = error.allow_fallbacks() == Some(false);
        let mut rules = self.0.rules_for(cx, failure).filter(|_| !ends);
        let chosen = rules.find(|(_, rule)| (rule.sends() && may_send) || rule.response.is_some());
        match chosen {
            Some((rule, settings)) if settings.sends() && may_send => {
                let original = answer.map_or_else(|| Original::Error(copy_of(error)), Original::Answer);
                let plan = self.0.clone();
                return OnFailure::Handle(Arc::new(Recovery {
                    plan,
                    rule,
                    exchange,
                    original: Mutex::new(Some(original)),
                }));
            }
            Some((_, Rule { response: Some(fixed), name, .. })) => {
                let request_id = cx.meta().request_id_str();
                tracing::warn!(request_id, rule = name, "answered with a fixed response: {}", error.report());
                return OnFailure::Recover(Box::new(fixed.response(&cx.request().method)));
            }
            _ => {}
        }
        if let Some(mut answer) = answer {
            self.0.documents.dress_answer(cx, &mut answer);
            return OnFailure::Recover(answer);
        }
        let document = self.0.document(cx, error);
        document.map_or(OnFailure::PassOn, |response| OnFailure::Recover(Box::new(response)))
    }
}

/// The inner set.
pub(crate) struct AnswerHooks(pub(crate) Arc<Plan>);

impl Hooks<Http> for AnswerHooks {
    fn stages(&self) -> Stages {
        Stages::POST
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        Step::ready(self.look(cx).map_or(Post::Continue, Post::Fail))
    }
}

impl AnswerHooks {
    /// The error that an answer becomes, if something is to be sent again for it.
    fn look(&self, cx: &mut Cx<Http>) -> Option<Error> {
        let status = failed(cx)?;
        let exchange = cx.get::<Exchange>().cloned().filter(Exchange::was_reached)?;
        let rule = self.0.rules_for(cx, Failure::Answer(status)).next()?.1;
        if !rule.sends() || !cx.request().method.is_idempotent() {
            return None;
        }
        let response = take_response(cx)?;
        exchange.lock().answer = Some(response);
        let error = Error::new(ErrorKind::UpstreamUnavailable).with_status(status).with_retry(Retry::Idempotent);
        Some(error.with_code("upstream_answer").with_detail("The upstream answered with an error"))
    }
}

/// The status of an answer that is an error.
fn failed(cx: &Cx<Http>) -> Option<StatusCode> {
    cx.response().map(|head| head.status).filter(|status| status.is_client_error() || status.is_server_error())
}

/// The response itself; an empty one stays in its place.
fn take_response(cx: &mut Cx<Http>) -> Option<Box<HttpResponse>> {
    let empty = http::Response::new(axum::body::Body::empty());
    cx.whole_response_mut().map(|response| Box::new(std::mem::replace(response, empty.into())))
}
