//! The handler that a failed exchange is given: tries again, asks another service, gives a fixed response, and when none
//! of it helps returns the failure it began with.
//!
//! It runs outside of every hook's time limit and heeds the exchange's deadline itself. When the client leaves, it is
//! dropped where it stands.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use buntime_core::{AttemptReport, Cx, Error, ErrorKind, Handler, Http, HttpResponse, Kind, Retry, Step};
use buntime_upstream::{RouteOptions, ServiceRoute};
use http::{HeaderMap, Method, StatusCode, header};

use crate::{
    config::RetrySettings,
    hooks::{Exchange, Plan},
    matcher::Failure,
    rule::{Rule, Service},
};

/// What an exchange failed with at first.
#[derive(Debug)]
pub(crate) enum Original {
    /// An error of the gateway.
    Error(Error),
    /// An upstream's answer.
    Answer(Box<HttpResponse>),
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) plan: Arc<Plan>,
    pub(crate) rule: usize,
    pub(crate) exchange: Exchange,
    /// Taken by the one call.
    pub(crate) original: Mutex<Option<Original>>,
}

/// May this be sent again after that error?
pub(crate) fn may_follow(error: &Error, method: &Method) -> bool {
    let falls_back = error.allow_fallbacks().unwrap_or_else(|| Http::falls_back(error));
    falls_back && error.kind() != ErrorKind::ClientClosed && (error.retry() == Retry::Safe || method.is_idempotent())
}

/// A second one for whoever must keep an error that was lent. Its causes become words.
pub(crate) fn copy_of(error: &Error) -> Error {
    let mut copy = Error::new(error.kind())
        .with_code(error.code())
        .with_status(error.status())
        .with_detail(error.detail().to_owned())
        .with_internal(error.report())
        .with_retry(error.retry());
    if let Some(allow) = error.allow_fallbacks() {
        copy = copy.with_allow_fallbacks(allow);
    }
    if let Some(plugin) = error.plugin() {
        copy = copy.with_plugin(plugin.clone());
    }
    for (name, value) in error.headers() {
        copy = copy.with_header(name.clone(), value.clone());
    }
    copy.set_attempts(error.attempts().to_vec());
    copy
}

impl Handler<Http> for Recovery {
    fn call<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, HttpResponse, Error> {
        Step::later(self.run(cx))
    }

    fn keeps_time(&self) -> bool {
        true
    }
}

/// How an attempt ended that did not help.
struct Tried {
    attempts: Vec<AttemptReport>,
    /// What they were, for the log only.
    names: Vec<String>,
}

impl Tried {
    fn note(&mut self, target: &'static str, name: &str, error: Result<StatusCode, &Error>) {
        let (code, detail) = match error {
            Ok(status) => ("upstream_answer", format!("It answered {}", status.as_u16())),
            Err(error) => (error.code(), error.detail().to_owned()),
        };
        let why = error.map_or_else(Error::report, |status| status.to_string());
        self.names.push(format!("{name}: {why}"));
        self.attempts.push(AttemptReport { target: target.into(), code, detail });
    }
}

impl Recovery {
    fn rule(&self) -> &Rule {
        &self.plan.rules[self.rule]
    }

    async fn run(&self, cx: &mut Cx<Http>) -> Result<HttpResponse, Error> {
        let original = self.original.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(original) = original else {
            return Err(Error::new(ErrorKind::Internal).with_internal("a recovery was run twice"));
        };
        let mut tried = Tried { attempts: Vec::new(), names: Vec::new() };
        if let Some(response) = self.mend(cx, asked_pause(&original), &mut tried).await {
            tracing::info!(
                request_id = cx.meta().request_id_str(),
                rule = self.rule().name,
                failed = tried.names.len(),
                "a failed request was answered after all, with {}",
                response.head.status
            );
            return Ok(response);
        }
        self.exchange.forget();
        let request_id = cx.meta().request_id_str();
        tracing::warn!(request_id, rule = self.rule().name, "nothing helped: {}", tried.names.join("; "));
        match original {
            Original::Answer(mut response) => {
                self.plan.documents.dress_answer(cx, &mut response);
                Ok(*response)
            }
            Original::Error(mut error) => {
                let attempts = [error.attempts(), &tried.attempts].concat();
                error.set_attempts(attempts);
                self.plan.document(cx, &error).ok_or(error)
            }
        }
    }

    /// The first answer that is no failure.
    async fn mend(&self, cx: &mut Cx<Http>, asked: Option<Duration>, tried: &mut Tried) -> Option<HttpResponse> {
        let rule = self.rule();
        let mut may_send = true;
        if let Some(retry) = &rule.retry {
            let handler = cx.handler().clone();
            for number in 0..retry.attempts {
                let pause = pause(retry, number, asked);
                let Some(pause) = pause.filter(|pause| may_send && has_time(cx, *pause, handler.keeps_time())) else {
                    break;
                };
                tokio::time::sleep(pause).await;
                match self.attempt(cx, &*handler).await {
                    Some(Ok(response)) => return Some(response),
                    Some(Err(failed)) => {
                        may_send = failed.may_follow(&cx.request().method);
                        failed.note(tried, "retry", &format!("attempt {}", number + 2));
                    }
                    None => may_send = false,
                }
            }
        }
        if let Some(service) = rule.service.as_ref().filter(|_| may_send) {
            match self.ask(cx, service).await {
                Some(Ok(response)) => return Some(response),
                Some(Err(failed)) => failed.note(tried, "fallback", &format!("service `{}`", service.name)),
                None => {}
            }
        }
        rule.response.as_ref().map(|fixed| fixed.response(&cx.request().method))
    }

    /// `None` when it cannot be asked.
    async fn ask(&self, cx: &mut Cx<Http>, service: &Service) -> Option<Result<HttpResponse, Failed>> {
        let Some(cluster) = service.clusters.get(&service.name) else {
            tracing::warn!(rule = self.rule().name, "there is no service `{}` any more", service.name);
            return None;
        };
        let handler = ServiceRoute::new(cluster, RouteOptions::default());
        if !has_time(cx, Duration::ZERO, handler.keeps_time()) {
            return None;
        }
        self.attempt(cx, &*handler).await
    }

    /// One more attempt, from the request as the first handler got it. `None` when it cannot be sent again.
    async fn attempt(&self, cx: &mut Cx<Http>, handler: &dyn Handler<Http>) -> Option<Result<HttpResponse, Failed>> {
        self.exchange.restore(cx)?;
        let deadline = cx.meta().deadline.filter(|_| !handler.keeps_time());
        let call = async {
            match handler.call(cx) {
                Step::Done(result) => result,
                Step::Later(future) => future.await,
            }
        };
        let result = match deadline {
            Some(at) => tokio::time::timeout_at(at.into(), call)
                .await
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::UpstreamTimeout))),
            None => call.await,
        };
        Some(match result {
            Ok(response) if self.rule().matcher.takes(Failure::Answer(response.head.status)) => {
                Err(Failed::Answer(response.head.status))
            }
            Ok(response) => Ok(response),
            Err(error) => Err(Failed::Error(error)),
        })
    }
}

/// How one attempt failed.
enum Failed {
    Error(Error),
    Answer(StatusCode),
}

impl Failed {
    fn may_follow(&self, method: &Method) -> bool {
        match self {
            Self::Error(error) => may_follow(error, method),
            Self::Answer(_) => method.is_idempotent(),
        }
    }

    fn note(&self, tried: &mut Tried, target: &'static str, name: &str) {
        let why = match self {
            Self::Error(error) => Err(error),
            Self::Answer(status) => Ok(*status),
        };
        tried.note(target, name, why);
    }
}

/// Is there time for one more attempt after that pause?
fn has_time(cx: &Cx<Http>, pause: Duration, keeps_time: bool) -> bool {
    let deadline = cx.meta().deadline.filter(|_| !keeps_time);
    deadline.is_none_or(|at| Instant::now() + pause < at)
}

/// What the failure itself asks to wait.
fn asked_pause(original: &Original) -> Option<Duration> {
    let of = |headers: &HeaderMap| {
        let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    };
    match original {
        Original::Error(error) => of(error.headers()),
        Original::Answer(response) => of(&response.head.headers),
    }
}

/// Exponential, up to half of it left to chance, and not before the failure says. `None`: it says too late.
fn pause(retry: &RetrySettings, number: u32, asked: Option<Duration>) -> Option<Duration> {
    let longest = retry.backoff.0.saturating_mul(1 << number.min(16)).min(retry.max_backoff.0);
    let pause = longest.mul_f64(1.0 - fastrand::f64() / 2.0);
    match asked.filter(|_| number == 0) {
        Some(asked) if asked > retry.max_backoff.0 => None,
        Some(asked) => Some(pause.max(asked)),
        None => Some(pause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_core::units::Span;

    #[test]
    fn pauses_grow_up_to_the_longest_and_heed_what_is_asked() {
        let retry = RetrySettings { attempts: 9, backoff: Span::millis(100), max_backoff: Span::secs(1) };
        for (number, longest) in [(0, 100), (1, 200), (3, 800), (4, 1000), (60, 1000)] {
            let pause = pause(&retry, number, None).unwrap();
            assert!(
                pause <= Duration::from_millis(longest) && pause >= Duration::from_millis(longest / 2),
                "{pause:?}"
            );
        }
        assert_eq!(pause(&retry, 0, Some(Duration::from_secs(1))), Some(Duration::from_secs(1)));
        assert_eq!(pause(&retry, 0, Some(Duration::from_secs(2))), None);
        assert!(pause(&retry, 1, Some(Duration::from_secs(2))).is_some());
    }

    #[test]
    fn only_what_may_be_sent_again_is() {
        let error = |kind, retry| Error::new(kind).with_retry(retry);
        for (error, get, post) in [
            (error(ErrorKind::UpstreamUnreachable, Retry::Safe), true, true),
            (error(ErrorKind::UpstreamProtocol, Retry::Idempotent), true, false),
            (error(ErrorKind::UpstreamUnavailable, Retry::Never), true, false),
            (error(ErrorKind::PluginFailed, Retry::Safe), false, false),
            (error(ErrorKind::Unauthorized, Retry::Never), false, false),
            (error(ErrorKind::UpstreamTimeout, Retry::Never).with_allow_fallbacks(false), false, false),
            (error(ErrorKind::Internal, Retry::Never).with_allow_fallbacks(true), true, false),
            (error(ErrorKind::ClientClosed, Retry::Safe).with_allow_fallbacks(true), false, false),
        ] {
            assert_eq!((may_follow(&error, &Method::GET), may_follow(&error, &Method::POST)), (get, post), "{error:?}");
        }
    }

    #[test]
    fn a_copy_says_what_the_error_says() {
        let error = Error::new(ErrorKind::RateLimited)
            .with_code("too_fast")
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .with_retry_after(7)
            .with_plugin("gateway")
            .with_cause("why");
        let copy = copy_of(&error);
        assert_eq!((copy.code(), copy.status(), copy.detail()), (error.code(), error.status(), error.detail()));
        assert_eq!((copy.headers(), copy.plugin()), (error.headers(), error.plugin()));
        assert!(copy.report().contains("why"));
    }
}
