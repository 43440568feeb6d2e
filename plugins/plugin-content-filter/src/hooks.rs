//! The hooks: requests on their way in, responses on their way out.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use axum::body::Body;
use buntime_core::{BoxError, Cx, Error, ErrorKind, Hooks, Http, Post, Pre, Stages, Step};
use buntime_http::{
    body::{BodyError, request_body_error},
    kept::{Filled, Kept},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, StatusCode, header, request};
use http_body::Body as _;

use crate::{
    body::{FilterBody, Inspection},
    config::{Action, Encoded, Ranges},
    engine::{Blocked, Rules},
    head,
    plan::{Kind, Plan, withheld},
};

/// So much is inspected before others have their turn.
const TURN: usize = 64 << 10;

/// The hook set.
pub(crate) struct FilterHooks(pub(crate) Arc<Plan>);

impl Hooks<Http> for FilterHooks {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        if upgrades(cx.request()) {
            return Step::ready(Pre::Continue);
        }
        self.ask_for_text(cx);
        let plan = &self.0;
        if plan.requests.all.is_empty() {
            return Step::ready(Pre::Continue);
        }
        match plan.kind(&cx.request().headers) {
            Kind::Binary => return Step::ready(Pre::Continue),
            Kind::Encoded if self.passes(&plan.requests) => return Step::ready(Pre::Continue),
            Kind::Encoded => {
                let error = Error::new(ErrorKind::UnsupportedMediaType);
                let error = error.with_detail("A body with a Content-Encoding is not taken here");
                return Step::ready(Pre::Fail(error.with_header(header::ACCEPT_ENCODING, identity())));
            }
            Kind::Text => {}
        }
        let size = {
            let body = &cx.whole_request_mut().body;
            if body.is_end_stream() {
                return Step::ready(Pre::Continue);
            }
            body.size_hint()
        };
        // One that says its length is read to say it anew; one that may be blocked is read so that nothing of it gets
        // through.
        let known = size.exact().is_some_and(|length| length <= plan.max_request) && plan.requests.any(Action::Redact);
        if known || (plan.requests.any(Action::Block) && size.lower() <= plan.max_request) {
            return Step::later(self.read_request(cx));
        }
        let body = cx.take_body();
        self.stream_request(cx, body);
        Step::ready(Pre::Continue)
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        let plan = &self.0;
        if plan.responses.all.is_empty() || upgrades(cx.request()) {
            return Step::ready(Post::Continue);
        }
        let to_head = cx.request().method == Method::HEAD;
        let Some(response) = cx.response() else { return Step::ready(Post::Continue) };
        let part = response.status == StatusCode::PARTIAL_CONTENT;
        let parts = part && of_parts(&response.headers);
        match plan.kind(&response.headers) {
            Kind::Binary if !parts => return Step::ready(Post::Continue),
            Kind::Encoded if self.passes(&plan.responses) => return Step::ready(Post::Continue),
            Kind::Encoded => return Step::ready(Post::Fail(withheld().with_internal("it has a Content-Encoding"))),
            Kind::Binary | Kind::Text => {}
        }
        if part && !plan.responses.only_look() {
            return Step::ready(Post::Fail(withheld().with_internal("it is a part of a text")));
        }
        if parts {
            return Step::ready(Post::Continue);
        }
        let size = {
            let Some(response) = cx.whole_response_mut() else { return Step::ready(Post::Continue) };
            if response.body.is_end_stream() && !to_head {
                return Step::ready(Post::Continue);
            }
            if plan.responses.any(Action::Redact) {
                head::loosen(&mut response.head.headers);
            }
            response.body.size_hint()
        };
        if to_head {
            return Step::ready(Post::Continue);
        }
        if plan.responses.any(Action::Block) && size.exact().is_some_and(|length| length <= plan.max_response) {
            return Step::later(self.read_response(cx));
        }
        let inspection = self.inspect(cx, false);
        if let Some(response) = cx.whole_response_mut() {
            let body = std::mem::take(&mut response.body);
            response.body = Body::new(FilterBody::new(body, inspection, || withheld().into()));
        }
        Step::ready(Post::Continue)
    }
}

impl FilterHooks {
    /// Text that cannot be read passes; it is counted.
    fn passes(&self, rules: &Rules) -> bool {
        let passes = self.0.encoded == Encoded::Skip || rules.only_look();
        if passes {
            self.0.figures.skipped.fetch_add(1, Relaxed);
        }
        passes
    }

    /// Asks the upstream for an answer that can be read.
    fn ask_for_text(&self, cx: &mut Cx<Http>) {
        let responses = &self.0.responses;
        if responses.all.is_empty() {
            return;
        }
        let headers = &cx.request().headers;
        if headers.contains_key(header::ACCEPT_ENCODING) {
            cx.request_mut().headers.insert(header::ACCEPT_ENCODING, identity());
        }
        let whole = self.0.ranges == Ranges::Whole && !responses.only_look();
        if whole && cx.request().headers.contains_key(header::RANGE) {
            let headers = &mut cx.request_mut().headers;
            headers.remove(header::RANGE);
            headers.remove(header::IF_RANGE);
        }
    }

    fn inspect(&self, cx: &Cx<Http>, request: bool) -> Inspection {
        let (rules, direction) = if request { (&self.0.requests, "request") } else { (&self.0.responses, "response") };
        Inspection::new(self.0.clone(), rules.clone(), direction, cx.meta().request_id.clone())
    }

    fn stream_request(&self, cx: &mut Cx<Http>, body: Body) {
        if self.0.requests.any(Action::Redact) {
            head::loosen(&mut cx.request_mut().headers);
        }
        let inspection = self.inspect(cx, true);
        // What the upstream has got so far it must not take for the whole.
        let blocked = || axum::Error::new(BodyError::Malformed("it has content that is not allowed".into())).into();
        cx.set_body(Body::new(FilterBody::new(body, inspection, blocked)));
    }

    async fn read_request(&self, cx: &mut Cx<Http>) -> Result<Pre<Http>, BoxError> {
        let plan = &self.0;
        let mut kept = Kept::new(cx.take_body());
        match tokio::time::timeout(plan.body_timeout, kept.fill(plan.max_request)).await {
            Ok(Err(broke)) => return Ok(Pre::Fail(request_body_error(broke))),
            Ok(Ok(Filled::Whole)) => {}
            Ok(Ok(Filled::Over)) | Err(_) => {
                self.stream_request(cx, kept.into_body());
                return Ok(Pre::Continue);
            }
        }
        let text = kept.bytes();
        match run(self.inspect(cx, true), &text).await {
            Err(Blocked) => return Ok(Pre::Fail(plan.refusal())),
            Ok(passed) if passed == text => cx.set_body(kept.into_body()),
            Ok(passed) => {
                let headers = &mut cx.request_mut().headers;
                let had_length = headers.contains_key(header::CONTENT_LENGTH);
                head::loosen(headers);
                if had_length {
                    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(passed.len()));
                }
                kept.replace(passed);
                cx.set_body(kept.into_body());
            }
        }
        Ok(Pre::Continue)
    }

    async fn read_response(&self, cx: &mut Cx<Http>) -> Result<Post<Http>, BoxError> {
        let mut inspection = Some(self.inspect(cx, false));
        let Some(response) = cx.whole_response_mut() else { return Ok(Post::Continue) };
        let mut kept = Kept::new(std::mem::take(&mut response.body));
        let filled = tokio::time::timeout(self.0.body_timeout, kept.fill(self.0.max_response)).await;
        let body = match (filled, inspection.take()) {
            (Ok(Err(broke)), _) => {
                let error = Error::new(ErrorKind::UpstreamProtocol).with_detail("The answer broke off");
                return Ok(Post::Fail(error.with_cause(broke)));
            }
            (Ok(Ok(Filled::Whole)), Some(inspection)) => match run(inspection, &kept.bytes()).await {
                Err(Blocked) => return Ok(Post::Fail(withheld())),
                Ok(passed) => {
                    kept.replace(passed);
                    kept.into_body()
                }
            },
            (_, Some(inspection)) => Body::new(FilterBody::new(kept.into_body(), inspection, || withheld().into())),
            (_, None) => return Ok(Post::Continue),
        };
        response.body = body;
        Ok(Post::Continue)
    }
}

/// Inspects a whole text.
async fn run(mut inspection: Inspection, text: &Bytes) -> Result<Bytes, Blocked> {
    if text.len() <= TURN {
        let first = inspection.push(text.clone())?;
        let rest = inspection.finish()?;
        return Ok(if rest.is_empty() { first } else { [first, rest].concat().into() });
    }
    let mut passed = BytesMut::with_capacity(text.len());
    let mut left = text.clone();
    while !left.is_empty() {
        passed.extend_from_slice(&inspection.push(left.split_to(left.len().min(TURN)))?);
        tokio::task::yield_now().await;
    }
    passed.extend_from_slice(&inspection.finish()?);
    Ok(passed.freeze())
}

fn identity() -> HeaderValue {
    HeaderValue::from_static("identity")
}

/// Has no body to look at?
fn upgrades(head: &request::Parts) -> bool {
    head.method == Method::CONNECT || head.headers.contains_key(header::UPGRADE)
}

fn of_parts(headers: &http::HeaderMap) -> bool {
    let kind = buntime_http::media::content_type(headers).unwrap_or_default();
    kind.get(.."multipart/".len()).is_some_and(|main| main.eq_ignore_ascii_case("multipart/"))
}
