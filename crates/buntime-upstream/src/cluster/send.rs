//! The way of a request through a cluster: a place, an attempt, and perhaps another.

use std::{
    error::Error as StdError,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use axum::body::Body;
use buntime_core::{Error, ErrorKind, Retry};
use buntime_http::upstream::{ConnectFailure, UpstreamError, is_idempotent};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::{
    Cluster,
    draft::Draft,
    held::hold,
    options::Call,
    rota::Marks,
    target::{Denied, Slot},
};

/// What a client is told to wait when nothing says better, in seconds.
const COME_BACK: u64 = 5;

/// How often who waits looks, at most, whether a target came back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Cluster {
    pub(super) async fn send_balanced(&self, request: Request<Body>, call: &Call<'_>) -> Result<Response<Body>, Error> {
        self.commons.tally.requests.fetch_add(1, Relaxed);
        let own = self.policy.timeout.map(|limit| Instant::now() + limit);
        let deadline = [call.deadline, own].into_iter().flatten().min();
        let asked = self.policy.key(&request, call);
        let mut round =
            Round { cluster: self, call, key: asked.key, deadline, tried: Marks::default(), failed: Vec::new() };
        // Boxed is what few requests need, so that the way of the others is small: it is moved for each of them.
        let mut slot = match self.enter_now(round.key, &round.tried) {
            Some(entered) => entered?,
            None => Box::pin(round.enter()).await?,
        };
        let mut draft = self.draft(request, call);
        let mut left = self.policy.retries;
        loop {
            let outcome = round.attempt(&slot, &mut draft, left > 0).await;
            let Some(retry) = round.judge(&mut slot, &outcome) else {
                return round.finish(outcome, slot).map(|response| asked.remember(response, call.is_secure));
            };
            let may = left > 0 && round.may_repeat(retry, &draft);
            let failure = Failure {
                answered: outcome.is_ok(),
                burdened: !matches!(
                    outcome,
                    Err(UpstreamError::Connect(
                        ConnectFailure::Dns(_)
                            | ConnectFailure::Refused(_)
                            | ConnectFailure::Network(_)
                            | ConnectFailure::Timeout
                    ))
                ),
                before: self.policy.retries - left,
            };
            let next = if may { Box::pin(round.another(&mut slot, failure)).await } else { None };
            let Some(next) = next else {
                return round.finish(outcome, slot).map(|response| asked.remember(response, call.is_secure));
            };
            left -= 1;
            self.commons.tally.retries.fetch_add(1, Relaxed);
            slot = next;
        }
    }

    fn draft(&self, request: Request<Body>, call: &Call<'_>) -> Draft {
        let shadow = self.mirror.as_ref().and_then(|mirror| mirror.shadow(&request, call));
        if self.policy.retries == 0 && shadow.is_none() && !self.policy.spreads {
            return Draft::once(request);
        }
        let keep = if self.policy.repeats(request.method()) { self.policy.keep } else { 0 };
        Draft::repeatable(request, keep, shadow)
    }

    /// A place that is free, or why there will be none. `None`: all are taken.
    fn enter_now(&self, key: Option<u64>, tried: &Marks) -> Option<Result<Slot, Error>> {
        // Nobody overtakes those who wait.
        if self.policy.queue.is_some() && self.commons.line.len() > 0 {
            return None;
        }
        match self.claim(key, tried) {
            Ok(slot) => Some(Ok(slot)),
            Err(Denied::Tripped) => Some(Err(self.unavailable())),
            Err(Denied::Full) => None,
        }
    }

    /// Waits for a place, if none is free and something may wait.
    async fn enter(&self, key: Option<u64>, tried: &Marks, deadline: Option<Instant>) -> Result<Slot, Error> {
        if let Some(entered) = self.enter_now(key, tried) {
            return entered;
        }
        let line = &self.commons.line;
        let Some(queue) = self.policy.queue else { return Err(self.over_capacity("every target is busy")) };
        let Some(place) = line.join(queue.max) else { return Err(self.over_capacity("the queue is full")) };
        let patience = Instant::now() + *queue.timeout;
        let until = deadline.map_or(patience, |deadline| deadline.min(patience));
        loop {
            let waiting = place.wait(|| match self.claim(key, tried) {
                Ok(slot) => Some(Ok(slot)),
                Err(Denied::Tripped) => Some(Err(self.unavailable())),
                Err(Denied::Full) => None,
            });
            // Nobody calls when a target comes back because its time is over.
            let look_again = self.rota.load().until.map(|until| until.max(Instant::now() + LOOK_AGAIN));
            let wake = look_again.map_or(until, |again| again.min(until));
            if let Ok(entered) = tokio::time::timeout_at(wake.into(), waiting).await {
                return entered;
            }
            if Instant::now() >= until {
                break;
            }
        }
        if until < patience {
            let internal = format!("upstream `{}`: the deadline passed in the queue", self.name);
            return Err(Error::new(ErrorKind::UpstreamTimeout).with_internal(internal));
        }
        Err(self.over_capacity("waited in the queue for too long"))
    }

    #[cold]
    fn unavailable(&self) -> Error {
        let now = self.commons.clock.now();
        let until = self.rota.load().until.map(|until| until.saturating_duration_since(now).as_secs() + 1);
        Error::new(ErrorKind::UpstreamUnavailable)
            .with_retry_after(until.unwrap_or(COME_BACK).min(60))
            .with_internal(format!("upstream `{}`: no target may be asked", self.name))
    }

    #[cold]
    fn over_capacity(&self, why: &str) -> Error {
        Error::new(ErrorKind::OverCapacity)
            .with_retry_after(1)
            .with_internal(format!("upstream `{}`: {why}", self.name))
    }
}

/// What the next attempt depends on.
#[derive(Clone, Copy)]
struct Failure {
    /// It was an answer, which still holds its place.
    answered: bool,
    /// The target had work with it.
    burdened: bool,
    /// How many repetitions there were.
    before: u32,
}

/// One request's attempts.
struct Round<'a> {
    cluster: &'a Cluster,
    call: &'a Call<'a>,
    key: Option<u64>,
    deadline: Option<Instant>,
    tried: Marks,
    /// What went wrong, for the log.
    failed: Vec<String>,
}

impl Round<'_> {
    async fn enter(&self) -> Result<Slot, Error> {
        self.cluster.enter(self.key, &self.tried, self.deadline).await
    }

    /// Sends it to the slot's target and waits for the answer's head.
    async fn attempt(&self, slot: &Slot, draft: &mut Draft, again: bool) -> Result<Response<Body>, UpstreamError> {
        let target = slot.target();
        target.counts.requests.fetch_add(1, Relaxed);
        let began = Instant::now();
        let own = self.cluster.policy.try_timeout.map(|limit| began + limit);
        let sending = target.wire.send(draft, self.call, again);
        let sent = match [self.deadline, own].into_iter().flatten().min() {
            None => sending.await,
            Some(until) => tokio::time::timeout_at(until.into(), sending).await.unwrap_or(Err(UpstreamError::Timeout)),
        };
        if sent.is_ok() {
            target.note_latency(began.elapsed());
        }
        sent
    }

    /// Tells the target how it did. `Some`: a failure that may be repeated so.
    fn judge(&mut self, slot: &mut Slot, outcome: &Result<Response<Body>, UpstreamError>) -> Option<Retry> {
        let (what, retry) = match outcome {
            Ok(response) if response.status().is_server_error() => {
                let status = response.status();
                (format!("answered {}", status.as_u16()), self.cluster.policy.repeats_status(status))
            }
            Ok(_) => {
                slot.succeeded();
                return None;
            }
            // The client's doing.
            Err(UpstreamError::RequestBody(_)) => return None,
            Err(error) => (words(error), Some(error.retry())),
        };
        self.failed.push(format!("{}: {what}", slot.target().url));
        self.tried.add(slot.member.index);
        slot.failed(what);
        retry
    }

    fn may_repeat(&self, retry: Retry, draft: &Draft) -> bool {
        let allowed = match retry {
            Retry::Never => false,
            Retry::Safe => true,
            Retry::Idempotent => !self.call.upgrade && self.cluster.policy.repeats(draft.method()),
        };
        allowed && draft.can_repeat() && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// A place for another attempt, if there is one and the budget allows it.
    async fn another(&self, slot: &mut Slot, failure: Failure) -> Option<Slot> {
        let (cluster, commons) = (self.cluster, &self.cluster.commons);
        let next = self.place(slot, failure.answered).await?;
        let is_fresh = !self.tried.has(next.member.index);
        // A connection that failed burdened nobody, so trying somebody else cannot multiply an outage.
        let is_free = is_fresh && !failure.burdened;
        if !is_free && !cluster.budget.take(commons.clock.now(), commons.tally.requests.load(Relaxed)) {
            tracing::debug!(upstream = &*cluster.name, "an attempt is not repeated: the retry budget is used up");
            return None;
        }
        if is_fresh {
            return Some(next);
        }
        drop(next);
        let pause = cluster.policy.backoff.saturating_mul(1 << failure.before.min(6)).mul_f64(0.5 + fastrand::f64());
        let until = Instant::now() + pause;
        if self.deadline.is_some_and(|deadline| deadline <= until) {
            return None;
        }
        if pause > Duration::ZERO {
            tokio::time::sleep_until(until.into()).await;
        }
        self.place(slot, failure.answered).await
    }

    /// A place for another attempt. The one of the last is kept while its answer is, unless there is something to wait
    /// for: it could be for this very place, or for somebody's who waits for this one.
    async fn place(&self, slot: &mut Slot, answered: bool) -> Option<Slot> {
        let cluster = self.cluster;
        if answered && (cluster.policy.queue.is_none() || cluster.commons.line.len() == 0) {
            match cluster.claim(self.key, &self.tried) {
                Ok(next) => return Some(next),
                Err(Denied::Full) if cluster.policy.queue.is_some() => {}
                Err(_) => return None,
            }
        }
        slot.leave();
        self.enter().await.ok()
    }

    fn finish(self, outcome: Result<Response<Body>, UpstreamError>, slot: Slot) -> Result<Response<Body>, Error> {
        match outcome {
            Ok(response) => {
                if !self.failed.is_empty() {
                    let (upstream, failed) = (&*self.cluster.name, self.failed.join("; "));
                    tracing::debug!(upstream, failed, "answered after failed attempts");
                }
                Ok(hold(response, slot))
            }
            Err(error) => {
                let internal = format!("upstream `{}`: {}", self.cluster.name, self.failed.join("; "));
                Err(Error::from(error).with_internal(internal))
            }
        }
    }
}

/// An error with its causes, for logs and reports.
pub(super) fn words(error: &UpstreamError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// What a request is known by, and the cookie it is to be known by from now on.
pub(super) struct Asked<'a> {
    pub(super) key: Option<u64>,
    pub(super) issue: Option<(&'a super::policy::Cookie, String)>,
}

impl Asked<'_> {
    fn remember(self, mut response: Response<Body>, is_secure: bool) -> Response<Body> {
        let Some((cookie, value)) = self.issue else { return response };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS
            && let Ok(field) = HeaderValue::try_from(cookie.field(&value, is_secure))
        {
            response.headers_mut().append(header::SET_COOKIE, field);
        }
        response
    }
}

impl super::policy::Policy {
    /// Is a request of that method repeated after it reached a target?
    pub(super) fn repeats(&self, method: &Method) -> bool {
        is_idempotent(method) || self.methods.contains(method)
    }

    fn repeats_status(&self, status: StatusCode) -> Option<Retry> {
        self.statuses.contains(&status.as_u16()).then_some(Retry::Idempotent)
    }
}
