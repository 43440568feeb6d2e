//! The hook: finds the rules for an exchange, and gives each message its turn. Without a rule nothing is done, and without
//! a rule that looks into a body no body is touched.

use std::sync::Arc;

use buntime_core::{BoxError, Cx, Hooks, Http, Post, Pre, Stages, Step};
use http::{Method, StatusCode, header};

use crate::{
    content::{self, Work},
    failure::Side,
    plan::Plan,
    turn::Turn,
};

/// The hook set.
pub(crate) struct TransformerHooks(pub(crate) Arc<Plan>);

/// The rules of an exchange that change its response.
#[derive(Clone, Copy)]
struct Answering(u128);

impl Hooks<Http> for TransformerHooks {
    fn stages(&self) -> Stages {
        let answers = self.0.rules.iter().any(|rule| rule.response.is_some());
        if answers { Stages::PRE | Stages::POST } else { Stages::PRE }
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        let rules = self.0.rules_for(cx);
        if rules == 0 {
            return Step::ready(Pre::Continue);
        }
        let now = self.0.for_request(cx, rules);
        let later = self.0.answering(rules);
        if later != 0 {
            cx.insert(Answering(later));
        }
        // What changes next must not hide these from who packs or cuts.
        let prepares = self.0.want_body(later, Side::Response);
        let head = cx.request();
        let upgrades = head.method == Method::CONNECT || head.headers.contains_key(header::UPGRADE);
        if now != 0 && self.0.want_body(now, Side::Request) && !upgrades {
            return Step::later(self.request(cx, now, prepares));
        }
        let mut turn = Turn::new(&self.0, Side::Request);
        let done = turn.run(cx, now);
        turn.rewrite(cx);
        if prepares {
            Plan::prepare(cx);
        }
        Step::ready(done.map_or_else(Pre::Fail, |()| Pre::Continue))
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        let Some(Answering(rules)) = cx.get::<Answering>().copied() else { return Step::ready(Post::Continue) };
        let now = self.0.for_response(cx, rules);
        if now == 0 {
            return Step::ready(Post::Continue);
        }
        if self.0.want_body(now, Side::Response) {
            return Step::later(self.response(cx, now));
        }
        let done = Turn::new(&self.0, Side::Response).run(cx, now);
        Step::ready(done.map_or_else(Post::Fail, |()| Post::Continue))
    }
}

impl TransformerHooks {
    async fn request(&self, cx: &mut Cx<Http>, rules: u128, prepares: bool) -> Result<Pre<Http>, BoxError> {
        let body = cx.take_body();
        let read = Work::read(body, &cx.request().headers, false, &self.0.limits, Side::Request).await;
        let mut turn = Turn::new(&self.0, Side::Request);
        turn.work = match read {
            Ok(work) => Some(work),
            Err(error) => return Ok(Pre::Fail(error)),
        };
        if let Err(error) = turn.run(cx, rules) {
            return Ok(Pre::Fail(error));
        }
        if let Some(work) = turn.work.take() {
            let body = work.finish(&mut cx.request_mut().headers).await;
            cx.set_body(body);
        }
        turn.rewrite(cx);
        if prepares {
            Plan::prepare(cx);
        }
        Ok(Pre::Continue)
    }

    async fn response(&self, cx: &mut Cx<Http>, rules: u128) -> Result<Post<Http>, BoxError> {
        let bodiless = cx.request().method == Method::HEAD;
        let Some(response) = cx.whole_response_mut() else { return Ok(Post::Continue) };
        let body = std::mem::take(&mut response.body);
        let partial = response.head.status == StatusCode::PARTIAL_CONTENT;
        let silent = bodiless || response.head.status == StatusCode::NOT_MODIFIED;
        let read = Work::read(body, &response.head.headers, partial, &self.0.limits, Side::Response).await;
        let mut turn = Turn::new(&self.0, Side::Response);
        turn.work = match read {
            Ok(work) => Some(work),
            Err(error) => return Ok(Post::Fail(error)),
        };
        if let Err(error) = turn.run(cx, rules) {
            return Ok(Post::Fail(error));
        }
        let edits = self.0.chosen(rules).any(|rule| rule.response.as_ref().is_some_and(|part| part.body.is_some()));
        let Some(response) = cx.whole_response_mut() else { return Ok(Post::Continue) };
        if let Some(work) = turn.work.take() {
            // What is said of a body that does not come must fit the one that would have come.
            if silent && edits {
                response.head.headers.remove(header::CONTENT_LENGTH);
                content::weaken(&mut response.head.headers);
            }
            response.body = work.finish(&mut response.head.headers).await;
        }
        Ok(Post::Continue)
    }
}
