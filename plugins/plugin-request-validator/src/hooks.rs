//! The hook: looks at the head at once, and reads the body only where a schema judges it.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use buntime_core::{BoxError, Cx, Error, ErrorKind, Hooks, Http, Meta, Pre, Stages, Step};
use buntime_http::{
    body::{limited, request_body_error},
    kept::{Filled, Kept},
};

use crate::{
    config::ModeName,
    plan::{Ahead, Judging, Plan, too_large},
};

/// A body longer than this is judged off the threads that serve.
const LONG: usize = 64 << 10;

/// The hook set.
pub(crate) struct ValidatorHooks(pub(crate) Arc<Plan>);

impl Hooks<Http> for ValidatorHooks {
    fn stages(&self) -> Stages {
        Stages::PRE
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        match self.0.head(cx) {
            Err(error) => Step::ready(self.settle(cx.meta(), error)),
            Ok(Ahead::Judge(judging)) => Step::later(self.judge(cx, judging)),
            Ok(Ahead::Limit(limit)) => {
                // What does not say its length is cut off when it passes the limit.
                if self.0.mode == ModeName::Enforce {
                    let body = cx.take_body();
                    cx.set_body(limited(body, limit));
                }
                Step::ready(self.pass())
            }
            Ok(Ahead::Nothing) => Step::ready(self.pass()),
        }
    }
}

impl ValidatorHooks {
    fn pass(&self) -> Pre<Http> {
        self.0.figures.passed.fetch_add(1, Relaxed);
        Pre::Continue
    }

    /// Reads the body and judges it. It stays as it came.
    async fn judge(&self, cx: &mut Cx<Http>, judging: Judging) -> Result<Pre<Http>, BoxError> {
        let limit = judging.limit;
        let mut kept = Kept::new(cx.take_body());
        let verdict = match tokio::time::timeout(self.0.body_timeout, kept.fill(limit)).await {
            Ok(Ok(Filled::Whole)) => self.verdict(&mut kept, judging).await?,
            Ok(Ok(Filled::Over)) => Err(too_large(limit)),
            // There is no body to give on.
            Ok(Err(broke)) => return Ok(Pre::Fail(request_body_error(broke))),
            Err(_) => {
                Err(Error::new(ErrorKind::RequestTimeout).with_detail("The request body took too long to arrive"))
            }
        };
        cx.set_body(kept.into_body());
        Ok(match verdict {
            Ok(()) => self.pass(),
            Err(error) => self.settle(cx.meta(), error),
        })
    }

    async fn verdict(&self, kept: &mut Kept, judging: Judging) -> Result<Result<(), Error>, BoxError> {
        let text = kept.bytes();
        if text.len() <= LONG {
            return Ok(self.0.body(&text, judging));
        }
        let plan = self.0.clone();
        Ok(tokio::task::spawn_blocking(move || plan.body(&text, judging)).await?)
    }

    /// What becomes of a request that is wrong.
    fn settle(&self, meta: &Meta, error: Error) -> Pre<Http> {
        let (request_id, scope, status, code) =
            (meta.request_id_str(), &self.0.scope, error.status().as_u16(), error.code());
        let first = error.violations().first().map(|violation| (violation.part, violation.at.as_str()));
        let wrong = error.violations().len();
        match self.0.mode {
            ModeName::Observe => {
                self.0.figures.observed.fetch_add(1, Relaxed);
                tracing::info!(request_id, %scope, status, code, wrong, ?first, "would be refused by validation");
                Pre::Continue
            }
            ModeName::Enforce => {
                self.0.figures.refuse(status);
                tracing::debug!(request_id, %scope, status, code, wrong, ?first, "refused by validation");
                Pre::Fail(error)
            }
        }
    }
}
