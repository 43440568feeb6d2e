//! The hook: makes the calls that are for a request, one after the other.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use buntime_core::{BoxError, Cx, Error, Hooks, Http, Pre, Stages, Step};
use buntime_template::View;
use http::{Method, header};
use serde_json::Value;

use crate::{
    answer::Failure,
    config::OnFailure,
    plan::{Live, Plan},
    request_body::{PATIENCE, RequestBody},
};

/// The hook set.
pub(crate) struct EnricherHooks(pub(crate) Arc<Plan>);

impl Plan {
    /// How long all of it may take: each call keeps its own time.
    pub(crate) fn time(&self) -> Duration {
        let calls: Duration = self.calls.iter().map(|live| live.call.timeout).sum();
        calls + PATIENCE + Duration::from_secs(1)
    }
}

impl Hooks<Http> for EnricherHooks {
    fn stages(&self) -> Stages {
        Stages::PRE
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        if self.0.calls.iter().any(|live| live.call.is_for(cx)) {
            return Step::later(self.enrich(cx));
        }
        Step::ready(Pre::Continue)
    }
}

impl EnricherHooks {
    async fn enrich(&self, cx: &mut Cx<Http>) -> Result<Pre<Http>, BoxError> {
        let calls: Vec<&Arc<Live>> = self.0.calls.iter().filter(|live| live.call.is_for(cx)).collect();
        let head = cx.request();
        let upgrades = head.method == Method::CONNECT || head.headers.contains_key(header::UPGRADE);
        let limit = calls.iter().filter(|live| live.call.wants_body).map(|live| live.call.max_request_body).max();
        let mut body = match limit.filter(|_| !upgrades) {
            Some(limit) => match RequestBody::read(cx, limit).await {
                Ok(body) => Some(body),
                Err(error) => return Ok(Pre::Fail(error)),
            },
            None => None,
        };
        for live in calls {
            if let Err(error) = one(live, cx, &mut body).await {
                return Ok(Pre::Fail(error));
            }
        }
        if let Some(body) = body
            && let Err(error) = body.finish(cx)
        {
            return Ok(Pre::Fail(error));
        }
        Ok(Pre::Continue)
    }
}

/// One call.
async fn one(live: &Arc<Live>, cx: &mut Cx<Http>, body: &mut Option<RequestBody>) -> Result<(), Error> {
    let call = &live.call;
    if call.writes_body()
        && call.on_failure == OnFailure::Fail
        && let Some(error) = body.as_ref().and_then(RequestBody::refusal)
    {
        return Err(error);
    }
    let asked = call.asked(&View::new(cx).body(body.as_ref().and_then(RequestBody::document)));
    let outcome = match asked {
        Ok(asked) => live.answer(asked).await,
        Err(failure) => {
            live.figures.fail(failure);
            Err(failure)
        }
    };
    let answer = match &outcome {
        Ok(answer) => {
            let held = call.conditions.iter().find(|condition| condition.holds(answer));
            if let Some(condition) = held {
                let request_id = cx.meta().request_id_str();
                let (stops, name) = (condition.stops, call.name.as_str());
                tracing::debug!(request_id, call = name, stops, "a condition holds");
                let count = if stops { &live.figures.stopped } else { &live.figures.noted };
                count.fetch_add(1, Relaxed);
                if stops {
                    return Err(condition.error());
                }
            }
            &answer.document
        }
        Err(failure) if call.on_failure == OnFailure::Fail => return Err(failure.error()),
        // What a client put where the answer would go is no answer.
        Err(_) => &Value::Null,
    };
    put(live, cx, body, answer).or_else(|failure| {
        live.figures.fail(failure);
        if call.on_failure == OnFailure::Fail { Err(failure.error()) } else { Ok(()) }
    })
}

/// Puts fields of an answer where they go; each for itself, so that one that does not fit leaves no other undone.
fn put(live: &Live, cx: &mut Cx<Http>, body: &mut Option<RequestBody>, answer: &Value) -> Result<(), Failure> {
    let mut result = Ok(());
    for map in &live.call.maps {
        if map.is_of_body()
            && let Some(body) = body
        {
            body.changed = true;
        }
        let document = body.as_mut().and_then(RequestBody::document_mut);
        if let Err(failure) = map.apply(cx, document, answer) {
            // Nothing that the client sent is left in its place.
            let _ = map.apply(cx, None, &Value::Null);
            result = Err(failure);
        }
    }
    result
}
