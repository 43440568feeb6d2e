//! The hook set of the limits that stand at one place of the chain.
//!
//! A request takes from all of its limits or from none: what one refuses is given back to the others.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use buntime_core::{Clock, Cx, Error, ErrorKind, Hooks, Http, OnFailure, Post, Pre, Stages, Step};
use http::HeaderMap;

use super::{
    headers::{AlreadyTold, Said, Told, retry_after},
    limit::{Limit, seconds},
    shared::{Asked, Shared},
};
use crate::{
    config::{ModeName, OnUnavailable},
    desk::{Desk, End, Refusal},
};

/// The limits of one place.
pub(crate) struct LimitHooks {
    pub(crate) limits: Arc<[Limit]>,
    pub(crate) told: Told,
    pub(crate) clock: Clock,
    pub(crate) desk: Arc<Desk>,
    /// Where shared limits are counted.
    pub(crate) redis: Option<(Arc<Shared>, OnUnavailable)>,
}

/// What was said to one exchange.
#[derive(Default)]
struct Answers {
    said: Vec<Said>,
}

/// What comes of asking.
enum Outcome {
    Pass { wait: Duration },
    Refuse { at: usize },
}

impl LimitHooks {
    /// Asks the limits whose cells are in memory. What they gave stays taken unless one refuses.
    fn ask_memory(&self, cx: &mut Cx<Http>, now: Instant, said: &mut Vec<Said>) -> Outcome {
        let mut wait = Duration::ZERO;
        for (at, limit) in self.limits.iter().enumerate().filter(|(_, limit)| !limit.shared) {
            let Some(cost) = limit.cost(cx) else { continue };
            let take = |key: &[u8]| limit.counted.take(key, &limit.algorithm, now, cost, limit.delay);
            let verdict = limit.keys.with(cx, take);
            if limit.mode == ModeName::Observe {
                self.observe(limit, verdict.allowed, cx);
                continue;
            }
            said.push(Said { at, verdict });
            if !verdict.allowed {
                self.give_back(cx, now, said);
                return Outcome::Refuse { at };
            }
            wait = wait.max(verdict.wait);
        }
        Outcome::Pass { wait }
    }

    fn observe(&self, limit: &Limit, allowed: bool, cx: &mut Cx<Http>) {
        let figures = &limit.counted.figures;
        if allowed {
            figures.allowed.fetch_add(1, Relaxed);
        } else {
            figures.observed.fetch_add(1, Relaxed);
            self.note(limit, cx, true, Duration::ZERO);
        }
    }

    /// Gives back what the limits in memory gave to a request that another refuses.
    fn give_back(&self, cx: &Cx<Http>, now: Instant, said: &mut [Said]) {
        for said in said.iter_mut().filter(|said| said.verdict.allowed) {
            let limit = &self.limits[said.at];
            if limit.shared {
                continue;
            }
            let Some(cost) = limit.cost(cx) else { continue };
            limit.keys.with(cx, |key| limit.counted.give_back(key, &limit.algorithm, now, cost));
            said.verdict.remaining = said.verdict.remaining.saturating_add(cost).min(limit.at_once());
        }
    }

    /// What is to be asked of Redis, with its position.
    fn questions(&self, cx: &Cx<Http>) -> Vec<(usize, Asked)> {
        let shared = self.limits.iter().enumerate().filter(|(_, limit)| limit.shared);
        let question = |(at, limit): (usize, &Limit)| {
            let cost = limit.cost(cx)?;
            let key = limit.keys.with(cx, <[u8]>::to_vec);
            Some((at, Asked::new(limit, &key, cost)))
        };
        shared.filter_map(question).collect()
    }

    /// Asks Redis, and settles the exchange.
    async fn ask_redis(
        &self,
        redis: &Shared,
        closed: bool,
        cx: &mut Cx<Http>,
        now: Instant,
        mut wait: Duration,
        questions: Vec<(usize, Asked)>,
    ) -> Pre<Http> {
        let asked: Vec<&Asked> = questions.iter().map(|(_, asked)| asked).collect();
        let mut said = std::mem::take(&mut cx.slot::<Answers>().said);
        match redis.ask(&asked).await {
            Ok(verdicts) => {
                let mut refused = None;
                for ((at, _), verdict) in questions.iter().zip(verdicts) {
                    let limit = &self.limits[*at];
                    if limit.mode == ModeName::Observe {
                        self.observe(limit, verdict.allowed, cx);
                        continue;
                    }
                    said.push(Said { at: *at, verdict });
                    wait = wait.max(verdict.wait);
                    if !verdict.allowed && refused.is_none() {
                        refused = Some(*at);
                    }
                }
                if let Some(at) = refused {
                    self.give_back(cx, now, &mut said);
                    return self.settle(cx, said, Outcome::Refuse { at }).await;
                }
            }
            Err(_) => {
                for (at, _) in &questions {
                    self.limits[*at].counted.figures.uncounted.fetch_add(1, Relaxed);
                }
                if closed {
                    self.give_back(cx, now, &mut said);
                    let error =
                        Error::new(ErrorKind::PluginFailed).with_code("limits_unavailable").with_plugin("gateway");
                    return Pre::fail(error.with_detail("Limits cannot be checked now").with_retry_after(1));
                }
            }
        }
        self.settle(cx, said, Outcome::Pass { wait }).await
    }

    async fn settle(&self, cx: &mut Cx<Http>, said: Vec<Said>, outcome: Outcome) -> Pre<Http> {
        match outcome {
            Outcome::Refuse { at } => self.refuse(cx, &said, at),
            Outcome::Pass { wait } => {
                self.let_through(cx, said);
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                Pre::Continue
            }
        }
    }

    fn let_through(&self, cx: &mut Cx<Http>, said: Vec<Said>) {
        for said in &said {
            let figures = &self.limits[said.at].counted.figures;
            figures.allowed.fetch_add(1, Relaxed);
            if !said.verdict.wait.is_zero() {
                figures.delayed.fetch_add(1, Relaxed);
            }
        }
        if !said.is_empty() {
            cx.slot::<Answers>().said = said;
        }
    }

    fn refuse(&self, cx: &mut Cx<Http>, said: &[Said], at: usize) -> Pre<Http> {
        let limit = &self.limits[at];
        limit.counted.figures.refused.fetch_add(1, Relaxed);
        let retry = said.iter().filter(|said| !said.verdict.allowed).map(|said| said.verdict.retry).max();
        let retry = retry.unwrap_or_default();
        self.note(limit, cx, false, retry);
        let wait = seconds(retry);
        let mut headers = HeaderMap::new();
        self.told.put(said, &mut headers, false);
        retry_after(&mut headers, wait);
        let plural = if wait == 1 { "" } else { "s" };
        let detail = format!("The limit of {} is used up; try again in {wait} second{plural}", limit.words);
        let mut error = Error::new(ErrorKind::RateLimited).with_detail(detail);
        error.add_headers(headers);
        Pre::Fail(error)
    }

    /// Tells the operator.
    fn note(&self, limit: &Limit, cx: &mut Cx<Http>, observed: bool, retry: Duration) {
        let head = cx.request();
        let meta = cx.meta();
        tracing::debug!(
            limit = &*limit.name,
            scope = %limit.scope,
            request_id = meta.request_id_str(),
            ip = %meta.client_ip,
            observed,
            "over the limit"
        );
        let refusal = Arc::new(Refusal {
            time: self.clock.wall(),
            limit: limit.name.clone(),
            scope: limit.scope.clone(),
            key: limit.keys.with(cx, |key| limit.keys.show(key)),
            ip: meta.client_ip,
            method: head.method.clone(),
            path: Refusal::path(head.uri.path()),
            request_id: meta.request_id.clone(),
            consumer: cx.consumer().cloned(),
            route: cx.route().map(|route| route.label.clone()),
            observed,
            retry,
            end: End::default(),
        });
        self.desk.refused(refusal.clone());
        // How it ends is noted with it.
        cx.insert(refusal);
    }
}

impl Hooks<Http> for LimitHooks {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST | Stages::ERROR
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        let now = self.clock.now();
        let mut said = Vec::with_capacity(self.limits.len());
        let wait = match self.ask_memory(cx, now, &mut said) {
            Outcome::Refuse { at } => return Step::ready(self.refuse(cx, &said, at)),
            Outcome::Pass { wait } => wait,
        };
        if let Some((redis, unavailable)) = &self.redis {
            let questions = self.questions(cx);
            if !questions.is_empty() {
                cx.slot::<Answers>().said = said;
                let closed = *unavailable == OnUnavailable::Closed;
                return Step::later(async move { Ok(self.ask_redis(redis, closed, cx, now, wait, questions).await) });
            }
        }
        self.let_through(cx, said);
        if wait.is_zero() {
            return Step::ready(Pre::Continue);
        }
        Step::later(async move {
            tokio::time::sleep(wait).await;
            Ok(Pre::Continue)
        })
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        let said = std::mem::take(&mut cx.slot::<Answers>().said);
        if !said.is_empty() {
            let added = cx.get::<AlreadyTold>().is_some();
            if let Some(response) = cx.response_mut() {
                self.told.put(&said, &mut response.headers, added);
            }
            cx.insert(AlreadyTold);
        }
        Step::ready(Post::Continue)
    }

    /// Errors of others carry the headers too; what this set refused has them already.
    fn error<'a>(&'a self, cx: &'a mut Cx<Http>, _: &'a Error) -> Step<'a, OnFailure<Http>> {
        let said = std::mem::take(&mut cx.slot::<Answers>().said);
        let mut headers = HeaderMap::new();
        if !said.is_empty() && cx.get::<AlreadyTold>().is_none() {
            self.told.put(&said, &mut headers, false);
            cx.insert(AlreadyTold);
        }
        Step::ready(if headers.is_empty() { OnFailure::PassOn } else { OnFailure::AddHeaders(headers) })
    }
}
