//! Several attempts at one exchange: route hooks once, then the whole chain for each target on a fresh copy of the
//! request, until one answers or an error says stop.

use std::{fmt, sync::Arc};

use crate::{
    chain::Chain,
    cx::{Cx, Meta},
    error::{AttemptReport, ErrorKind},
    exec::{
        call::{RouteCall, invoke},
        run::Answer,
        watch::Pulse,
    },
    hooks::{Ended, Stage},
    kind::{Carrier, Kind},
    step::Handler,
};

/// Where an exchange may be answered.
pub struct Target<K: Kind> {
    /// Its name in reports.
    pub name: Arc<str>,
    /// What answers.
    pub handler: Arc<dyn Handler<K>>,
}

/// The targets to try, in order. Route hooks may change them.
#[derive(Debug)]
pub struct Attempts<K: Kind> {
    /// First the primary, then the fallbacks.
    pub targets: Vec<Target<K>>,
}

impl<K: Kind> fmt::Debug for Target<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<K: Kind> Chain<K> {
    /// Tries the targets in order. Nothing falls back once a head was answered: this returns with the first.
    ///
    /// # Errors
    /// The primary's error with every attempt listed in it; or at once the error of an attempt that forbids fallbacks,
    /// of a route hook, or of a cancelled request.
    pub async fn run_attempts(
        self: &Arc<Self>,
        meta: Meta,
        mut request: K::Request,
        mut attempts: Attempts<K>,
    ) -> Answer<K> {
        if let Some(error) = self.route(&meta, &mut request, &mut attempts).await {
            return Answer { result: Err(error), tail: crate::exec::tail::Tail::new(None) };
        }
        let mut request = Some(request);
        let mut primary: Option<Answer<K>> = None;
        let mut reports = Vec::new();
        let count = attempts.targets.len();
        for (number, target) in attempts.targets.into_iter().enumerate() {
            let last = number + 1 == count;
            // A body that can be read only once allows one attempt.
            let copy = if last { request.take() } else { request.as_ref().and_then(Carrier::copy) };
            let Some(fresh) = copy.or_else(|| request.take()) else { break };
            let answer = self.run(meta.clone(), fresh, target.handler).await;
            let error = match answer {
                Answer { result: Ok(_), .. } => return answer,
                Answer { result: Err(error), tail } => {
                    tail.finish(Ended::Whole);
                    error
                }
            };
            let stop = !may_fall_back::<K>(&error);
            reports.push(AttemptReport {
                target: target.name,
                code: error.as_ref().code(),
                detail: error.as_ref().detail().to_owned(),
            });
            let answer = Answer { result: Err(error), tail: crate::exec::tail::Tail::new(None) };
            if stop {
                return answer;
            }
            primary.get_or_insert(answer);
        }
        let mut answer = primary.unwrap_or_else(|| Answer {
            result: Err(crate::Error::new(ErrorKind::UpstreamUnavailable).into()),
            tail: crate::exec::tail::Tail::new(None),
        });
        if let Err(error) = &mut answer.result {
            error.as_mut().set_attempts(reports);
        }
        answer
    }

    async fn route(
        self: &Arc<Self>,
        meta: &Meta,
        request: &mut K::Request,
        attempts: &mut Attempts<K>,
    ) -> Option<K::Error> {
        let first = attempts.targets.first()?.handler.clone();
        if !self.stages().has(Stage::Route) {
            return None;
        }
        let whole = request.fork(true);
        let mut cx = Cx::new(meta.clone(), whole, first);
        cx.stages = self.stages();
        let mut pulse = Pulse::new(std::time::Instant::now(), !self.around.unmeasured);
        let mut failed = None;
        for (index, link) in self.links().iter().enumerate().filter(|(_, link)| link.stages.has(Stage::Route)) {
            if let Err(error) = invoke(link, index, &mut cx, &mut RouteCall(attempts), &mut pulse).await {
                failed = Some(error);
                break;
            }
        }
        *request = cx.request;
        failed
    }
}

/// An error says itself whether fallbacks may be tried, else its kind does. A cancelled request never falls back.
fn may_fall_back<K: Kind>(error: &K::Error) -> bool {
    let inner = error.as_ref();
    inner.kind() != ErrorKind::ClientClosed && inner.allow_fallbacks().unwrap_or_else(|| K::falls_back(error))
}
