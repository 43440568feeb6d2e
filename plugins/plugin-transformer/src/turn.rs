//! A message's turn: its rules, one after the other. A rule that cannot do what it says leaves no trace, or ends the
//! exchange.

use buntime_core::{Cx, Error, Http};
use buntime_template::View;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;

use crate::{
    config::OnFailure,
    content::{Content, Work},
    failure::{Failure, Side},
    path::Rewritten,
    plan::Plan,
    query,
    rule::{Part, Rule},
};

/// What of a head rules change.
struct Before {
    uri: Uri,
    status: Option<StatusCode>,
    headers: HeaderMap,
    content: Option<Content>,
    path: Option<String>,
}

/// One message, and the rules for it.
pub(crate) struct Turn<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) side: Side,
    /// The body, if it was read.
    pub(crate) work: Option<Work>,
    /// The path that is asked for.
    pub(crate) path: Option<String>,
}

impl<'p> Turn<'p> {
    pub(crate) fn new(plan: &'p Plan, side: Side) -> Self {
        Self { plan, side, work: None, path: None }
    }

    /// Applies those rules, in order.
    ///
    /// # Errors
    /// What the exchange fails with.
    pub(crate) fn run(&mut self, cx: &mut Cx<Http>, rules: u128) -> Result<(), Error> {
        for rule in self.plan.chosen(rules) {
            let Some(part) = rule.part(self.side) else { continue };
            let before = rule.may_be_undone().then(|| self.before(cx));
            let Err(failure) = self.apply(cx, part) else {
                self.plan.figures.applied(self.side);
                continue;
            };
            let may = rule.on(&failure);
            self.plan.note(cx.meta(), rule, self.side, &failure, may);
            match before.filter(|_| may == OnFailure::Continue) {
                Some(before) => self.undo(cx, before),
                None => return Err(failure.error(self.side)),
            }
        }
        Ok(())
    }

    fn before(&self, cx: &Cx<Http>) -> Before {
        let headers = match (self.side, cx.response()) {
            (Side::Response, Some(head)) => &head.headers,
            _ => &cx.request().headers,
        };
        Before {
            uri: cx.request().uri.clone(),
            status: cx.response().map(|head| head.status),
            headers: headers.clone(),
            content: self.work.as_ref().map(|work| work.content.clone()),
            path: self.path.clone(),
        }
    }

    fn undo(&mut self, cx: &mut Cx<Http>, before: Before) {
        if self.side == Side::Request {
            let head = cx.request_mut();
            (head.uri, head.headers) = (before.uri, before.headers);
        } else if let (Some(head), Some(status)) = (cx.response_mut(), before.status) {
            (head.status, head.headers) = (status, before.headers);
        }
        if let (Some(work), Some(content)) = (&mut self.work, before.content) {
            work.content = content;
        }
        self.path = before.path;
    }

    fn document(&self) -> Option<&Value> {
        match &self.work.as_ref()?.content {
            Content::Open(document) => Some(&document.value),
            Content::Opaque | Content::Closed(_) => None,
        }
    }

    /// One rule: headers, query, path, status, body. Each sees what those before it have made.
    fn apply(&mut self, cx: &mut Cx<Http>, part: &Part) -> Result<(), Failure> {
        if let Some(Work { content: Content::Closed(failure), .. }) = &self.work
            && part.reads_body
        {
            return Err(failure.clone());
        }
        for edit in &part.headers {
            let ready = edit.ready(&View::new(cx).body(self.document()))?;
            match self.side {
                Side::Request => ready.apply(&mut cx.request_mut().headers),
                Side::Response => {
                    if let Some(head) = cx.response_mut() {
                        ready.apply(&mut head.headers);
                    }
                }
            }
        }
        if !part.query.is_empty() {
            let changed = query::changed(&part.query, &cx.request().uri, &View::new(cx).body(self.document()))?;
            if let Some(uri) = changed {
                cx.request_mut().uri = uri;
            }
        }
        if let Some(rewrite) = &part.path {
            let made = rewrite.path(&View::new(cx).body(self.document()), cx.request().uri.path())?;
            self.path = made.or(self.path.take());
        }
        if let (Some(status), Some(head)) = (part.status, cx.response_mut())
            && !head.status.is_informational()
            && ![StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status)
        {
            head.status = status;
        }
        self.change_body(cx, part)
    }

    fn change_body(&mut self, cx: &Cx<Http>, part: &Part) -> Result<(), Failure> {
        let (Some(edit), Some(work)) = (&part.body, &mut self.work) else { return Ok(()) };
        if work.there && !edit.reads_body() && !matches!(work.content, Content::Open(_)) {
            work.content = Content::Open(edit.fresh());
        }
        match &mut work.content {
            Content::Open(document) => edit.apply(document, &View::new(cx)),
            // Its type is none that rules are for.
            Content::Opaque => Ok(()),
            Content::Closed(failure) => Err(failure.clone()),
        }
    }

    /// Lets the handler be asked for another path.
    pub(crate) fn rewrite(&mut self, cx: &mut Cx<Http>) {
        if let Some(path) = self.path.take() {
            let inner = cx.handler().clone();
            cx.set_handler(std::sync::Arc::new(Rewritten { inner, path }));
        }
    }
}

impl Plan {
    /// The rules of a set of them.
    pub(crate) fn chosen(&self, rules: u128) -> impl Iterator<Item = &Rule> {
        self.rules.iter().enumerate().filter(move |(index, _)| rules & (1 << index) != 0).map(|(_, rule)| rule)
    }
}
