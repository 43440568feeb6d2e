//! Parallel batches: neighbours that run their pre hooks at the same time, each on a copy of the request as the batch
//! began; their changes are applied in chain order.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Instant};

use crate::{
    chain::{Chain, Link},
    cx::Cx,
    exec::{
        State,
        call::{PreCall, invoke},
        run::{Entry, Turn},
        watch::Pulse,
    },
    hooks::{Changes, Stage},
    kind::{Carrier, Head, Kind},
    step::{BoxFuture, Pre},
};

/// One hook of a batch under way.
pub(crate) struct Fork<K: Kind> {
    pub(crate) index: usize,
    pub(crate) cx: Cx<K>,
    pulse: Pulse,
}

impl<K: Kind> State<K> {
    /// Runs the batch `start..end`. `None` when the exchange goes on.
    pub(crate) async fn batch(&mut self, chain: &Arc<Chain<K>>, start: usize, end: usize) -> Option<Turn<K>> {
        let links = chain.links();
        let base = self.cx.request.head().clone();
        let handler = self.cx.handler.clone();
        let mut refused = None;
        for (index, link) in links.iter().enumerate().take(end).skip(start) {
            match self.enter(link, index).await {
                Entry::Entered => {}
                Entry::Instead(Pre::Continue) => continue,
                Entry::Instead(outcome) => {
                    refused = self.turn(outcome);
                    break;
                }
            }
            if link.stages.has(Stage::Pre) {
                let cx = self.cx.fork(index, link.changes.has(Changes::REQUEST_BODY), false);
                let mut pulse = Pulse::new(Instant::now(), self.pulse.measured);
                pulse.probes = self.pulse.probes;
                self.forks.push(Fork { index, cx, pulse });
            }
        }
        let outcomes = if refused.is_none() { run(links, &mut self.forks).await } else { Vec::new() };
        let mut outcomes = outcomes.into_iter();
        let mut turn = refused;
        for mut fork in std::mem::take(&mut self.forks) {
            let link = &links[fork.index];
            self.cx.take_slot(&mut fork.cx, fork.index);
            if fork.pulse.probes != self.pulse.probes && !fork.pulse.probes.has(fork.index) {
                self.pulse.probes.clear(fork.index);
            }
            // What was cancelled, or stands behind the hook that ended the batch, changes nothing.
            let outcome = outcomes.next().flatten();
            let ended = turn.is_some();
            self.apply(link, fork.cx, &base, &handler, outcome.is_some() && !ended);
            if let (Some(outcome), false) = (outcome, ended) {
                turn = self.turn(outcome);
            }
        }
        self.pulse.skip();
        turn
    }

    fn apply(
        &mut self,
        link: &Link<K>,
        fork: Cx<K>,
        base: &<K::Request as Carrier>::Head,
        handler: &Arc<dyn crate::step::Handler<K>>,
        changes: bool,
    ) {
        if changes {
            if !Arc::ptr_eq(&fork.handler, handler) {
                self.cx.handler = fork.handler;
            }
            if link.changes.has(Changes::VALUES) || link.auth_provider {
                self.cx.values = fork.values;
            }
            self.cx.request.head_mut().merge(base, fork.request.head().clone());
        }
        if link.changes.has(Changes::REQUEST_BODY) {
            self.cx.request.take_body_from(fork.request);
        }
    }
}

/// Polls all until each has ended, one has failed, or none before a short-circuit is still running.
async fn run<K: Kind>(links: &[Link<K>], forks: &mut [Fork<K>]) -> Vec<Option<Pre<K>>> {
    let mut outcomes: Vec<Option<Pre<K>>> = forks.iter().map(|_| None).collect();
    let mut running: Vec<Option<BoxFuture<'_, Pre<K>>>> = forks
        .iter_mut()
        .map(|fork| {
            let link = &links[fork.index];
            let future = async move { invoke(link, fork.index, &mut fork.cx, &mut PreCall, &mut fork.pulse).await };
            Some(Box::pin(future) as BoxFuture<'_, _>)
        })
        .collect();
    poll_fn(|task| {
        for (slot, outcome) in running.iter_mut().zip(&mut outcomes) {
            let Some(Poll::Ready(out)) = slot.as_mut().map(|future| future.as_mut().poll(task)) else { continue };
            *slot = None;
            let failed = matches!(out, Pre::Fail(_));
            *outcome = Some(out);
            if failed {
                return Poll::Ready(());
            }
        }
        for (slot, outcome) in running.iter().zip(&outcomes) {
            match (slot, outcome) {
                (None, Some(Pre::Continue) | None) => {}
                (None, Some(_)) => return Poll::Ready(()),
                (Some(_), _) => return Poll::Pending,
            }
        }
        Poll::Ready(())
    })
    .await;
    outcomes
}
