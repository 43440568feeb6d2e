//! The way back: what came is stored as it passes, what has not changed is renewed, what is stale takes the place of an
//! error, what was changed is forgotten.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use buntime_core::{Cx, Http, HttpResponse, Post};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{
    collapse::{Lead, Outcome},
    control::SURROGATE_CONTROL,
    entry::{Stored, Variant, tags_of},
    journey::{Draft, Fetched, Journey},
    key,
    plan::Inner,
    policy::{freshen, judge, varying},
    serve::{self, CACHE_STATUS, Told, X_CACHE},
    tee::{Kept, Tee},
};

impl Inner {
    /// The way back.
    pub(super) fn settle(self: &Arc<Self>, cx: &mut Cx<Http>, mut journey: Journey) -> Post<Http> {
        let Some(head) = cx.response() else { return Post::Continue };
        let status = head.status;
        let conditional = journey.conditions.is_some();
        journey.give_conditions_back(cx);
        if conditional && status == StatusCode::NOT_MODIFIED {
            return self.unchanged(cx, journey);
        }
        if matches!(status.as_u16(), 500 | 502 | 503 | 504)
            && let Some(response) = self.instead_of_an_error(cx, &journey, status)
        {
            if let Some(lead) = journey.lead.take() {
                lead.end(Outcome::Apart);
            }
            return Post::Replace(Box::new(response));
        }
        self.keep(cx, journey, status);
        Post::Continue
    }

    /// What is stored is as it was: it is given, with what the 304 says.
    fn unchanged(&self, cx: &Cx<Http>, mut journey: Journey) -> Post<Http> {
        let (Some(stale), Some(response)) = (journey.stale.take(), cx.response()) else { return Post::Continue };
        let lead = journey.lead.take();
        let fetched = journey.fetched(cx);
        let headers = &cx.request().headers;
        self.store.figures.revalidated.fetch_add(1, Relaxed);
        let renewed = self.freshened(&stale, &response.headers, &fetched, headers);
        let stored = renewed.as_ref().is_some_and(|s| self.put(&fetched, s));
        if renewed.is_none() {
            self.store.remove(&fetched.key, &stale);
        }
        if let Some(lead) = lead {
            lead.end(if stored { Outcome::Stored } else { Outcome::Apart });
        }
        let text = format!("buntime; fwd={}; fwd-status=304{}", journey.why, if stored { "; stored" } else { "" });
        let told = Told { word: "REVALIDATED", status: Some(text.into()) };
        let given = renewed.unwrap_or(stale);
        let method = &cx.request().method;
        Post::Replace(Box::new(serve::answer(&given, method, headers, self.clock.now(), &told)))
    }

    /// What is stored, with what a 304 says of it. `None` if it may not be stored any longer.
    pub(super) fn freshened(
        &self,
        stale: &Stored,
        new: &HeaderMap,
        fetched: &Fetched,
        asked: &HeaderMap,
    ) -> Option<Arc<Stored>> {
        let mut headers = stale.fields();
        if !new.contains_key(header::DATE) {
            headers.remove(header::DATE);
        }
        freshen(&mut headers, new);
        // What is judged is what came now: its age, and its lifetime.
        if let Some(age) = new.get(header::AGE) {
            headers.insert(header::AGE, age.clone());
        }
        let draft = self.draft(fetched, stale.status, &headers, asked)?;
        Some(Arc::new(Draft { exactly: None, ..draft }.finish(stale.body.clone())))
    }

    /// Stores what came, as it passes, if it may be stored; says on it what was done.
    fn keep(self: &Arc<Self>, cx: &mut Cx<Http>, mut journey: Journey, status: StatusCode) {
        let lead = journey.lead.take();
        let is_get = cx.request().method == Method::GET;
        let fetched = journey.fetched(cx);
        let draft = match cx.response() {
            Some(head) if is_get => self.draft(&fetched, status, &head.headers, &cx.request().headers),
            _ => None,
        };
        let draft = draft.filter(|draft| draft.exactly.is_none_or(|length| length <= self.plan.max_entry as u64));
        let stored = draft.is_some();
        if !stored && is_get && !status.is_server_error() && status != StatusCode::NOT_MODIFIED {
            // It is not what it was, and must not come back.
            if let Some(stale) = &journey.stale {
                self.store.remove(&fetched.key, stale);
            }
            if lead.is_some() {
                self.store.pass(fetched.number, self.clock.now());
            }
        }
        let text = format!(
            "buntime; fwd={}; fwd-status={}{}",
            journey.why,
            status.as_u16(),
            if stored { "; stored" } else { "" }
        );
        if let Some(head) = cx.response_mut() {
            if self.plan.rules.surrogate {
                head.headers.remove(SURROGATE_CONTROL);
            }
            head.headers.insert(X_CACHE, HeaderValue::from_static("MISS"));
            if let Ok(text) = HeaderValue::try_from(text) {
                head.headers.append(CACHE_STATUS, text);
            }
        }
        match (draft, lead) {
            (Some(draft), lead) => self.tee(cx, fetched, draft, lead),
            (None, Some(lead)) => lead.end(Outcome::Apart),
            (None, None) => {}
        }
    }

    fn tee(self: &Arc<Self>, cx: &mut Cx<Http>, fetched: Fetched, draft: Draft, lead: Option<Lead>) {
        let Some(response) = cx.whole_response_mut() else { return };
        let body = std::mem::take(&mut response.body);
        let (inner, exactly) = (self.clone(), draft.exactly);
        response.body = Tee::body(body, self.plan.max_entry, exactly, move |kept| {
            let stored = match kept {
                Kept::Whole(body) => inner.put(&fetched, &Arc::new(draft.finish(body))),
                Kept::Lost => false,
            };
            if let Some(lead) = lead {
                lead.end(if stored { Outcome::Stored } else { Outcome::Apart });
            }
        });
    }

    /// What would be stored of an answer, but for its body. `None` if it must not be.
    pub(super) fn draft(
        &self,
        fetched: &Fetched,
        status: StatusCode,
        headers: &HeaderMap,
        asked: &HeaderMap,
    ) -> Option<Draft> {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let delay = now.saturating_duration_since(fetched.asked);
        let judged = judge(fetched.asker, status, headers, &self.plan.rules, delay, wall)?;
        let variant = Variant::new(fetched.route.clone(), &fetched.by, varying(headers), asked);
        let exactly = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let mut kept = headers.clone();
        for name in &judged.without {
            kept.remove(name);
        }
        if self.plan.rules.surrogate {
            kept.remove(SURROGATE_CONTROL);
        }
        let tags = tags_of(headers, &self.plan.tag_headers, &self.plan.tags);
        Some(Draft { status, headers: kept, life: judged.life, received: (now, wall), variant, tags, exactly })
    }

    /// Stores it here, and where other nodes look.
    pub(super) fn put(&self, fetched: &Fetched, stored: &Arc<Stored>) -> bool {
        let is_stored = self.store.insert(&fetched.key, stored, fetched.asked);
        if let Some(tier) = self.tier.as_ref().filter(|_| is_stored) {
            tier.put(&fetched.key, stored, &self.clock);
        }
        is_stored
    }

    fn forget_everywhere(&self, key: &key::Key) {
        if let Some(tier) = &self.tier {
            tier.forget(key);
        }
    }

    /// What is stale, where it may take the place of an error.
    pub(super) fn instead_of_an_error(
        &self,
        cx: &Cx<Http>,
        journey: &Journey,
        status: StatusCode,
    ) -> Option<HttpResponse> {
        let stale = journey.stale.as_ref()?;
        let now = self.clock.now();
        if !stale.life.may_replace_an_error(stale.age(now)) {
            return None;
        }
        self.store.figures.stale.fetch_add(1, Relaxed);
        let text = format!("buntime; fwd={}; fwd-status={}; detail=stale-if-error", journey.why, status.as_u16());
        let told = Told { word: "STALE", status: Some(text.into()) };
        let head = cx.request();
        tracing::warn!(request_id = cx.meta().request_id_str(), "served stale instead of {}", status.as_u16());
        Some(serve::answer(stale, &head.method, &head.headers, now, &told))
    }

    /// A method that changes something has succeeded: what is stored of the URL goes, and of those that the answer names.
    pub(super) fn after_a_change(&self, cx: &Cx<Http>) {
        let changes = !matches!(
            cx.request().method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::CONNECT
        );
        let Some(head) = cx.response().filter(|_| changes) else { return };
        if !head.status.is_success() && !head.status.is_redirection() {
            return;
        }
        let Some(key) = key::of(cx).map(|url| url.to_key()) else { return };
        let now = self.clock.now();
        self.store.invalidate(&key, now);
        self.forget_everywhere(&key);
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            if let Some(other) = value.and_then(|value| key::named(&key, value)) {
                self.store.invalidate(&other, now);
                self.forget_everywhere(&other);
            }
        }
    }
}
