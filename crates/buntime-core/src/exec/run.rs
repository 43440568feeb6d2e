//! In through the pre hooks, to the handler, and back out through post or error hooks.

use std::{sync::Arc, time::Instant};

use crate::{
    breaker::Admission,
    chain::{Branch, Chain, Link},
    cx::{Cx, Meta},
    error::{Error, ErrorKind},
    exec::{
        Bits, State,
        call::{ErrorCall, PostCall, PreCall, fall_back, invoke, refusal},
        tail::Tail,
        watch::{Pulse, Watched, caught},
    },
    hooks::{Ended, Stage},
    kind::Kind,
    options::{AfterRetry, OnError},
    step::{BoxFuture, Handler, OnFailure, Post, Pre, Step},
};

/// Where the way in ended.
pub(crate) enum Turn<K: Kind> {
    /// The handler's turn.
    Handle,
    /// A hook answered.
    Answer(Box<K::Response>),
    /// A hook refused.
    Fail(K::Error),
}

/// A response, and what is still to be done when its body has been sent.
pub struct Answer<K: Kind> {
    /// The response, or the error that is left.
    pub result: Result<K::Response, K::Error>,
    /// The rest of the exchange. Dropping it says that the client is gone.
    pub tail: Tail<K>,
}

impl<K: Kind> std::fmt::Debug for Answer<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("ok", &self.result.is_ok()).finish_non_exhaustive()
    }
}

impl<K: Kind> Chain<K> {
    /// Runs one exchange up to the response's head.
    ///
    /// When the returned future is dropped before it ends, the entered sets still get `error` and `complete`, in a
    /// task that shutdown waits for.
    pub fn run(
        self: &Arc<Self>,
        meta: Meta,
        request: K::Request,
        handler: Arc<dyn Handler<K>>,
    ) -> impl Future<Output = Answer<K>> + use<K> {
        self.run_in(Cx::new(meta, request, handler))
    }

    /// The same in a context that is made already.
    pub(crate) fn run_in(self: &Arc<Self>, mut cx: Cx<K>) -> impl Future<Output = Answer<K>> + use<K> {
        // Not in the future, which would hold all of this twice and is moved for each exchange.
        let measured = !self.around.unmeasured && !self.links().is_empty();
        let mut pulse = Pulse::new(cx.meta.started, measured);
        // What went before is no hook's.
        pulse.skip();
        cx.stages = self.stages();
        let mut guard = Guard(Some(Box::new(State {
            chain: self.clone(),
            cx,
            pulse,
            entered: Bits::default(),
            inside: 0,
            forks: Vec::new(),
            status: 0,
            error: None,
            response_bytes: 0,
            upgraded_bytes: 0,
            to_head: None,
        })));
        async move {
            let result = match guard.0.as_deref_mut() {
                Some(state) => state.go().await,
                None => unreachable!("the guard was just filled"),
            };
            Answer { result, tail: Tail::new(guard.0.take()) }
        }
    }
}

/// Unwinds an exchange whose future is dropped.
struct Guard<K: Kind>(Option<Box<State<K>>>);

impl<K: Kind> Drop for Guard<K> {
    fn drop(&mut self) {
        let Some(state) = self.0.take().filter(|state| !state.entered.is_empty()) else { return };
        let chain = state.chain.clone();
        chain.spawn(state.abandon());
    }
}

impl<K: Kind> State<K> {
    async fn go(&mut self) -> Result<K::Response, K::Error> {
        let result = match self.way_in().await {
            Turn::Handle => {
                let handler = self.cx.handler.clone();
                handle(&mut self.cx, &mut self.pulse, handler).await
            }
            Turn::Answer(response) => Ok(*response),
            Turn::Fail(error) => Err(error),
        };
        let result = self.way_out(result).await;
        self.status = match &result {
            Ok(response) => K::status(response),
            Err(error) => error.as_ref().status().as_u16(),
        };
        self.error = result.as_ref().err().map(|error| error.as_ref().code());
        self.to_head = Some(self.cx.meta.started.elapsed());
        result
    }

    /// The pre hooks in chain order, until one of them ends it. The chain is borrowed, not cloned, here and on the way
    /// out: its count is shared by all threads, which take its line from each other.
    async fn way_in(&mut self) -> Turn<K> {
        let mut index = 0;
        loop {
            // Who calls is known now, or will not be.
            if index == self.chain.split()
                && let Some(consumer) = self.cx.consumer()
                && let Some(branches) = &self.chain.branches
            {
                match branches.of(&self.chain, consumer) {
                    Branch::Same => {}
                    Branch::On(other) => self.go_on(other),
                    Branch::Later(building) => match self.await_branch(building).await {
                        Ok(other) => self.go_on(other),
                        Err(error) => return Turn::Fail(error.into()),
                    },
                }
            }
            if index >= self.chain.links().len() {
                return Turn::Handle;
            }
            if let Some(end) = self.chain.batch_at(index) {
                let chain = self.chain.clone();
                // Boxed, as few chains have one.
                match Box::pin(self.batch(&chain, index, end)).await {
                    None => index = end,
                    Some(turn) => return turn,
                }
                continue;
            }
            let link = &self.chain.links()[index];
            let outcome = match enter(link, index, &mut self.cx, &mut self.pulse).await {
                Entry::Entered => {
                    self.entered.set(index);
                    self.inside = index + 1;
                    if link.stages.has(Stage::Pre) {
                        invoke(link, index, &mut self.cx, &mut PreCall, &mut self.pulse).await
                    } else {
                        Pre::Continue
                    }
                }
                Entry::Instead(outcome) => outcome,
            };
            let again = self.cx.afterwards.take();
            if let Some(turn) = self.turn(outcome) {
                if let Some(again) = again {
                    let (request, run) = *again;
                    run(Arc::new(self.chain.behind(index)), self.cx.again(request));
                }
                return turn;
            }
            index += 1;
        }
    }

    /// From here on the exchange runs on that chain, whose links up to here are the same.
    fn go_on(&mut self, chain: Arc<Chain<K>>) {
        self.cx.stages = chain.stages();
        self.chain = chain;
    }

    /// Not part of any hook, and not longer than the exchange may take to be answered.
    async fn await_branch(
        &mut self,
        building: BoxFuture<'static, Result<Arc<Chain<K>>, Error>>,
    ) -> Result<Arc<Chain<K>>, Error> {
        let limit = self.cx.meta.deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let watched = self.pulse.wait(building, limit).await;
        self.pulse.skip();
        match watched {
            Watched::Finished(result) => result,
            Watched::TimedOut => Err(Error::new(ErrorKind::PluginFailed)
                .with_internal("the plugins configured for this consumer did not start in time")),
            Watched::Panicked(text) => Err(Error::new(ErrorKind::Internal).with_internal(text)),
        }
    }

    /// Whether an outcome ends the way in.
    pub(crate) fn turn(&mut self, outcome: Pre<K>) -> Option<Turn<K>> {
        match outcome {
            Pre::Continue => None,
            Pre::Respond(response) => Some(Turn::Answer(response)),
            Pre::Fail(error) => Some(Turn::Fail(error)),
            Pre::Handle(handler) => {
                self.cx.handler = handler;
                Some(Turn::Handle)
            }
        }
    }

    /// Marks a set as entered, unless its breaker is open.
    pub(crate) async fn enter(&mut self, link: &Link<K>, index: usize) -> Entry<K> {
        let entry = enter(link, index, &mut self.cx, &mut self.pulse).await;
        if matches!(entry, Entry::Entered) {
            self.entered.set(index);
            self.inside = index + 1;
        }
        entry
    }

    /// The post or error hooks in reverse.
    async fn way_out(&mut self, mut result: Result<K::Response, K::Error>) -> Result<K::Response, K::Error> {
        while self.inside > 0 {
            // Before the call: a hook that was begun is not called again when the exchange is dropped meanwhile.
            self.inside -= 1;
            let index = self.inside;
            let link = &self.chain.links()[index];
            if !self.entered.has(index) {
                continue;
            }
            result = match result {
                Ok(response) if link.stages.has(Stage::Post) => {
                    post(link, index, &mut self.cx, &mut self.pulse, response).await
                }
                Err(error) if link.stages.has(Stage::Error) => {
                    Box::pin(failed(link, index, &mut self.cx, &mut self.pulse, error)).await
                }
                same => same,
            };
        }
        result
    }

    /// The client has gone before there was a head: `error` for the sets that had neither, then `complete` for all.
    fn abandon(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            for (index, mut fork) in std::mem::take(&mut self.forks).into_iter().map(|f| (f.index, f.cx)) {
                self.cx.take_slot(&mut fork, index);
            }
            self.cx.response = None;
            self.pulse.skip();
            let error = Error::new(ErrorKind::ClientClosed);
            self.error = Some(error.code());
            self.status = error.status().as_u16();
            let error = K::Error::from(error);
            let chain = self.chain.clone();
            while self.inside > 0 {
                self.inside -= 1;
                let index = self.inside;
                let link = &chain.links()[index];
                if self.entered.has(index) && link.stages.has(Stage::Error) {
                    invoke(link, index, &mut self.cx, &mut ErrorCall::<K>(&error), &mut self.pulse).await;
                }
            }
            self.complete(Ended::ClientGone);
        })
    }
}

/// Whether a set may be entered: if its breaker is open, `onError` decides at once.
async fn enter<K: Kind>(link: &Link<K>, index: usize, cx: &mut Cx<K>, pulse: &mut Pulse) -> Entry<K> {
    match link.member.breaker.admit() {
        Admission::Enter => Entry::Entered,
        Admission::Probe => {
            pulse.probes.set(index);
            Entry::Entered
        }
        Admission::Refuse => {
            link.stats.skip(Stage::Pre);
            Entry::Instead(Box::pin(instead(link, index, cx, pulse)).await)
        }
    }
}

async fn instead<K: Kind>(link: &Link<K>, index: usize, cx: &mut Cx<K>, pulse: &mut Pulse) -> Pre<K> {
    match &link.on_error {
        OnError::Continue => Pre::Continue,
        OnError::Retry(options) if options.after_retry == AfterRetry::Continue => Pre::Continue,
        OnError::Fail | OnError::Retry(_) => Pre::Fail(refusal(link)),
        OnError::Fallback(fallback) => fall_back(link, index, cx, &mut PreCall, pulse, fallback).await,
    }
}

/// Runs a handler. Not part of any hook: its time and failures are its own.
async fn handle<K: Kind>(
    cx: &mut Cx<K>,
    pulse: &mut Pulse,
    handler: Arc<dyn Handler<K>>,
) -> Result<K::Response, K::Error> {
    let deadline = cx.meta.deadline.filter(|_| !handler.keeps_time());
    let limit = deadline.map(|at| at.saturating_duration_since(Instant::now()));
    let step = caught(|| {
        for run in std::mem::take(&mut cx.before_handler) {
            run(cx);
        }
        handler.call(cx)
    });
    let watched = match step {
        Ok(Step::Done(result)) => Watched::Finished(result),
        Ok(Step::Later(future)) => pulse.wait(future, limit).await,
        Err(text) => Watched::Panicked(text),
    };
    pulse.skip();
    match watched {
        Watched::Finished(result) => result,
        Watched::TimedOut => Err(Error::new(ErrorKind::UpstreamTimeout).into()),
        Watched::Panicked(text) => {
            tracing::error!(kind = K::NAME, "handler panicked: {text}");
            Err(Error::new(ErrorKind::Internal).with_internal(text).into())
        }
    }
}

async fn post<K: Kind>(
    link: &Link<K>,
    index: usize,
    cx: &mut Cx<K>,
    pulse: &mut Pulse,
    response: K::Response,
) -> Result<K::Response, K::Error> {
    cx.response = Some(response);
    let out = invoke(link, index, cx, &mut PostCall, pulse).await;
    let response = cx.response.take();
    match (out, response) {
        (Post::Continue, Some(response)) => Ok(response),
        (Post::Replace(response), _) => Ok(*response),
        (Post::Fail(error), _) => Err(error),
        (Post::Continue, None) => Err(refusal(link)),
    }
}

async fn failed<K: Kind>(
    link: &Link<K>,
    index: usize,
    cx: &mut Cx<K>,
    pulse: &mut Pulse,
    mut error: K::Error,
) -> Result<K::Response, K::Error> {
    let out = invoke(link, index, cx, &mut ErrorCall::<K>(&error), pulse).await;
    match out {
        OnFailure::PassOn => Err(error),
        OnFailure::AddHeaders(headers) => {
            error.as_mut().add_headers(headers);
            Err(error)
        }
        OnFailure::Replace(other) => Err(other),
        OnFailure::Recover(response) => Ok(*response),
        OnFailure::Handle(handler) => handle(cx, pulse, handler).await,
    }
}

/// Whether a set was entered.
pub(crate) enum Entry<K: Kind> {
    Entered,
    /// Its breaker is open; this is what happens instead of its hook.
    Instead(Pre<K>),
}
