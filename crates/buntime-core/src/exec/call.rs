//! One hook call, whatever the stage: watched, measured, and when it fails handled as its `onError` says.

use std::time::Duration;

use crate::{
    chain::Link,
    cx::{Cx, HookRecord},
    error::{BoxError, Error, ErrorKind},
    exec::{
        attempts::Attempts,
        watch::{Pulse, Watched, caught},
    },
    hooks::{Direction, Hooks, Stage},
    kind::Kind,
    options::{AfterRetry, Fallback, OnError, RetryOptions},
    stats::Outcome,
    step::{BoxFuture, Flow, OnFailure, Post, Pre, Step},
};

/// Hook calls of one exchange that are logged; a stream may have any number of pieces.
const MOST_LOGGED: usize = 256;

/// A stage's way of being called.
pub(crate) trait Call<K: Kind>: Send {
    type Out: Send;
    const STAGE: Stage;

    fn begin<'a>(&'a mut self, hooks: &'a dyn Hooks<K>, cx: &'a mut Cx<K>) -> Step<'a, Self::Out>;
    /// As if the hook had done nothing.
    fn pass(&self) -> Self::Out;
    fn refuse(&self, error: K::Error) -> Self::Out;
    fn answer(&self, response: K::Response) -> Option<Self::Out>;
    fn outcome(out: &Self::Out) -> Outcome;
    /// Puts back what the hook was given, after a failure.
    fn restore(&mut self) {}
}

/// Why a hook call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Error(BoxError),
    Timeout(Duration),
    Panic(String),
}

impl Failure {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Error(_) => Outcome::Error,
            Self::Timeout(_) => Outcome::Timeout,
            Self::Panic(_) => Outcome::Panic,
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Error(error) => {
                let mut text = error.to_string();
                let mut cause = error.source();
                while let Some(c) = cause {
                    text = format!("{text}: {c}");
                    cause = c.source();
                }
                text
            }
            Self::Timeout(limit) => format!("took longer than {limit:?}"),
            Self::Panic(text) => format!("panicked: {text}"),
        }
    }
}

/// Calls a hook and settles what it means, also when it fails.
pub(crate) async fn invoke<K: Kind, C: Call<K>>(
    link: &Link<K>,
    index: usize,
    cx: &mut Cx<K>,
    call: &mut C,
    pulse: &mut Pulse,
) -> C::Out {
    cx.current = link.current(index);
    cx.arm(!matches!(link.on_error, OnError::Fail));
    match attempt(link, &*link.hooks, cx, call, pulse).await {
        Ok(out) => {
            cx.keep();
            out
        }
        Err(failure) => failed(link, index, cx, call, pulse, failure).await,
    }
}

/// One call, measured.
async fn attempt<K: Kind, C: Call<K>>(
    link: &Link<K>,
    hooks: &dyn Hooks<K>,
    cx: &mut Cx<K>,
    call: &mut C,
    pulse: &mut Pulse,
) -> Result<C::Out, Failure> {
    pulse.begin();
    let (result, polled) = call_once(link, hooks, cx, call, pulse).await;
    if pulse.measured {
        let took = pulse.lap();
        let outcome = result.as_ref().map_or_else(Failure::outcome, C::outcome);
        link.stats.record(C::STAGE, outcome, took, polled.unwrap_or(took));
        if let Some(log) = cx.hook_log.as_mut().filter(|log| log.len() < MOST_LOGGED) {
            log.push(HookRecord {
                plugin: link.member.plugin.shared(),
                set: link.set.clone(),
                stage: C::STAGE,
                outcome,
                began: pulse.ended() - took,
                took,
            });
        }
    }
    result
}

async fn call_once<K: Kind, C: Call<K>>(
    link: &Link<K>,
    hooks: &dyn Hooks<K>,
    cx: &mut Cx<K>,
    call: &mut C,
    pulse: &mut Pulse,
) -> (Result<C::Out, Failure>, Option<Duration>) {
    match caught(|| call.begin(hooks, cx)) {
        Ok(Step::Done(result)) => (result.map_err(Failure::Error), None),
        Ok(Step::Later(future)) => {
            let (watched, busy) = pulse.watch(future, Some(link.timeout)).await;
            let result = match watched {
                Watched::Finished(result) => result.map_err(Failure::Error),
                Watched::TimedOut => Err(Failure::Timeout(link.timeout)),
                Watched::Panicked(text) => Err(Failure::Panic(text)),
            };
            (result, Some(busy))
        }
        Err(text) => (Err(Failure::Panic(text)), None),
    }
}

/// Boxed, so that the way of a request that nothing fails on stays small.
fn failed<'a, K: Kind, C: Call<K>>(
    link: &'a Link<K>,
    index: usize,
    cx: &'a mut Cx<K>,
    call: &'a mut C,
    pulse: &'a mut Pulse,
    failure: Failure,
) -> BoxFuture<'a, C::Out> {
    Box::pin(async move {
        note(link, index, C::STAGE, pulse, &failure);
        call.restore();
        if !cx.undo() {
            return call.refuse(refusal::<K>(link));
        }
        match &link.on_error {
            OnError::Fail => call.refuse(refusal::<K>(link)),
            OnError::Continue => call.pass(),
            OnError::Retry(options) => retry(link, index, cx, call, pulse, options).await,
            OnError::Fallback(fallback) => fall_back(link, index, cx, call, pulse, fallback).await,
        }
    })
}

async fn retry<K: Kind, C: Call<K>>(
    link: &Link<K>,
    index: usize,
    cx: &mut Cx<K>,
    call: &mut C,
    pulse: &mut Pulse,
    options: &RetryOptions,
) -> C::Out {
    for number in 0..options.attempts {
        tokio::time::sleep(backoff(options, number)).await;
        pulse.skip();
        cx.arm(true);
        match attempt(link, &*link.hooks, cx, call, pulse).await {
            Ok(out) => {
                cx.keep();
                return out;
            }
            Err(failure) => {
                note(link, index, C::STAGE, pulse, &failure);
                call.restore();
                if !cx.undo() {
                    return call.refuse(refusal::<K>(link));
                }
            }
        }
    }
    match options.after_retry {
        AfterRetry::Fail => call.refuse(refusal::<K>(link)),
        AfterRetry::Continue => call.pass(),
    }
}

/// Asks the plugin, or gives the response, that `onError.fallback` names.
pub(crate) async fn fall_back<K: Kind, C: Call<K>>(
    link: &Link<K>,
    index: usize,
    cx: &mut Cx<K>,
    call: &mut C,
    pulse: &mut Pulse,
    fallback: &Fallback,
) -> C::Out {
    if let Some(hooks) = &link.fallback {
        cx.arm(true);
        match attempt(link, &**hooks, cx, call, pulse).await {
            Ok(out) => {
                cx.keep();
                return out;
            }
            Err(failure) => {
                note(link, index, C::STAGE, pulse, &failure);
                call.restore();
                cx.undo();
            }
        }
    }
    let fixed = fallback.response.as_ref().and_then(|response| call.answer(K::fixed(response)));
    fixed.unwrap_or_else(|| call.refuse(refusal::<K>(link)))
}

/// Exponential with full jitter.
fn backoff(options: &RetryOptions, number: u32) -> Duration {
    let longest = options.backoff.0.saturating_mul(1 << number.min(16)).min(options.max_backoff.0);
    longest.mul_f64(jitter())
}

/// Between 0.5 and 1, from the clock: it only has to spread clients that failed together.
fn jitter() -> f64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    0.5 + f64::from(nanos % 1000) / 2000.0
}

pub(crate) fn refusal<K: Kind>(link: &Link<K>) -> K::Error {
    let plugin = link.member.plugin.shared();
    Error::new(ErrorKind::PluginFailed).with_detail(format!("The plugin `{plugin}` failed")).with_plugin(plugin).into()
}

/// Tells the breaker, the admin API and the log.
pub(crate) fn note<K: Kind>(link: &Link<K>, index: usize, stage: Stage, pulse: &mut Pulse, failure: &Failure) {
    let text = failure.text();
    let plugin = &link.member.plugin;
    tracing::warn!(
        plugin = plugin.as_str(),
        set = &*link.set,
        kind = K::NAME,
        hook = stage.as_str(),
        "hook failed: {text}"
    );
    link.member.set_last_error(stage, text, std::time::SystemTime::now());
    link.member.breaker.failed(pulse.probes.has(index));
    pulse.probes.clear(index);
}

pub(crate) struct PreCall;

impl<K: Kind> Call<K> for PreCall {
    type Out = Pre<K>;
    const STAGE: Stage = Stage::Pre;

    fn begin<'a>(&'a mut self, hooks: &'a dyn Hooks<K>, cx: &'a mut Cx<K>) -> Step<'a, Pre<K>> {
        hooks.pre(cx)
    }

    fn pass(&self) -> Pre<K> {
        Pre::Continue
    }

    fn refuse(&self, error: K::Error) -> Pre<K> {
        Pre::Fail(error)
    }

    fn answer(&self, response: K::Response) -> Option<Pre<K>> {
        Some(Pre::respond(response))
    }

    fn outcome(out: &Pre<K>) -> Outcome {
        match out {
            Pre::Continue => Outcome::Continue,
            Pre::Respond(_) => Outcome::Respond,
            Pre::Fail(_) => Outcome::Fail,
            Pre::Handle(_) => Outcome::Handle,
        }
    }
}

pub(crate) struct PostCall;

impl<K: Kind> Call<K> for PostCall {
    type Out = Post<K>;
    const STAGE: Stage = Stage::Post;

    fn begin<'a>(&'a mut self, hooks: &'a dyn Hooks<K>, cx: &'a mut Cx<K>) -> Step<'a, Post<K>> {
        hooks.post(cx)
    }

    fn pass(&self) -> Post<K> {
        Post::Continue
    }

    fn refuse(&self, error: K::Error) -> Post<K> {
        Post::Fail(error)
    }

    fn answer(&self, response: K::Response) -> Option<Post<K>> {
        Some(Post::Replace(Box::new(response)))
    }

    fn outcome(out: &Post<K>) -> Outcome {
        match out {
            Post::Continue => Outcome::Continue,
            Post::Replace(_) => Outcome::Replaced,
            Post::Fail(_) => Outcome::Fail,
        }
    }
}

pub(crate) struct ErrorCall<'e, K: Kind>(pub(crate) &'e K::Error);

impl<K: Kind> Call<K> for ErrorCall<'_, K> {
    type Out = OnFailure<K>;
    const STAGE: Stage = Stage::Error;

    fn begin<'a>(&'a mut self, hooks: &'a dyn Hooks<K>, cx: &'a mut Cx<K>) -> Step<'a, OnFailure<K>> {
        hooks.error(cx, self.0)
    }

    fn pass(&self) -> OnFailure<K> {
        OnFailure::PassOn
    }

    /// The error that travels already is worth more to the client than that a hook failed on it.
    fn refuse(&self, _: K::Error) -> OnFailure<K> {
        OnFailure::PassOn
    }

    fn answer(&self, response: K::Response) -> Option<OnFailure<K>> {
        Some(OnFailure::Recover(Box::new(response)))
    }

    fn outcome(out: &OnFailure<K>) -> Outcome {
        match out {
            OnFailure::PassOn | OnFailure::AddHeaders(_) => Outcome::Continue,
            OnFailure::Replace(_) => Outcome::Replaced,
            OnFailure::Recover(_) => Outcome::Recovered,
            OnFailure::Handle(_) => Outcome::Handle,
        }
    }
}

/// A streamed piece.
pub(crate) struct ChunkCall<'c, T> {
    pub(crate) piece: &'c mut Option<T>,
    pub(crate) before: Option<T>,
    pub(crate) end: bool,
}

impl<K: Kind> Call<K> for ChunkCall<'_, K::Chunk> {
    type Out = Flow<K>;
    const STAGE: Stage = Stage::Chunk;

    fn begin<'a>(&'a mut self, hooks: &'a dyn Hooks<K>, cx: &'a mut Cx<K>) -> Step<'a, Flow<K>> {
        hooks.chunk(cx, self.piece, self.end)
    }

    fn pass(&self) -> Flow<K> {
        Flow::Continue
    }

    fn refuse(&self, error: K::Error) -> Flow<K> {
        Flow::Fail(error)
    }

    fn answer(&self, _: K::Response) -> Option<Flow<K>> {
        None
    }

    fn outcome(out: &Flow<K>) -> Outcome {
        flow_outcome(out)
    }

    fn restore(&mut self) {
        self.piece.clone_from(&self.before);
    }
}

/// A message of an upgraded connection.
pub(crate) struct MessageCall<'c, T> {
    pub(crate) piece: &'c mut Option<T>,
    pub(crate) before: Option<T>,
    pub(crate) direction: Direction,
}

impl<K: Kind> Call<K> for MessageCall<'_, K::Message> {
    type Out = Flow<K>;
    const STAGE: Stage = Stage::Message;

    fn begin<'a>(&'a mut self, hooks: &'a dyn Hooks<K>, cx: &'a mut Cx<K>) -> Step<'a, Flow<K>> {
        hooks.message(cx, self.direction, self.piece)
    }

    fn pass(&self) -> Flow<K> {
        Flow::Continue
    }

    fn refuse(&self, error: K::Error) -> Flow<K> {
        Flow::Fail(error)
    }

    fn answer(&self, _: K::Response) -> Option<Flow<K>> {
        None
    }

    fn outcome(out: &Flow<K>) -> Outcome {
        flow_outcome(out)
    }

    fn restore(&mut self) {
        self.piece.clone_from(&self.before);
    }
}

fn flow_outcome<K: Kind>(flow: &Flow<K>) -> Outcome {
    match flow {
        Flow::Continue => Outcome::Continue,
        Flow::Fail(_) => Outcome::Fail,
    }
}

/// Before the first of several attempts.
pub(crate) struct RouteCall<'r, K: Kind>(pub(crate) &'r mut Attempts<K>);

impl<K: Kind> Call<K> for RouteCall<'_, K> {
    type Out = Result<(), K::Error>;
    const STAGE: Stage = Stage::Route;

    fn begin<'a>(&'a mut self, hooks: &'a dyn Hooks<K>, cx: &'a mut Cx<K>) -> Step<'a, Self::Out> {
        match hooks.route(cx, self.0) {
            Step::Done(result) => Step::Done(result.map(Ok)),
            Step::Later(future) => Step::later(async move { future.await.map(Ok) }),
        }
    }

    fn pass(&self) -> Self::Out {
        Ok(())
    }

    fn refuse(&self, error: K::Error) -> Self::Out {
        Err(error)
    }

    fn answer(&self, _: K::Response) -> Option<Self::Out> {
        None
    }

    fn outcome(out: &Self::Out) -> Outcome {
        if out.is_ok() { Outcome::Continue } else { Outcome::Fail }
    }
}
