//! The hook set, at 24: behind authorization, so that nobody is served what they may not see, and before what has no part
//! in what was answered.
//!
//! On the way in it answers from what is stored, waits for another who fetches the same, or lets the request go on, with a
//! condition if something stale is there. On the way back it stores, renews, invalidates, or serves what is stale instead
//! of an error. What stands behind it in the chain is stored with what it did; what stands before it runs each time.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use axum::body::Body;
use buntime_core::{
    Clock, Cx, Error, ErrorKind, Hooks, Http, HttpRequest, HttpResponse, OnFailure, Post, Pre, Stages, Step,
};
use buntime_router::PathPattern;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;

use super::{
    collapse::{Lead, Outcome, Place},
    control::{Control, SURROGATE, SURROGATE_CONTROL},
    entry::{Stored, Variant, tags_of},
    key::{self, Key, KeyRef},
    policy::{self, Asker, Rules, freshen, judge, varying},
    request::{Asked, accepts, ask_for_changes, restore},
    serve::{self, CACHE_STATUS, Told, X_CACHE},
    store::{Store, Variants},
    tee::{Kept, Tee},
};
use crate::config::KeyBy;

const SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");

/// What the settings of one scope say.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rules: Rules,
    pub(crate) get: bool,
    pub(crate) head: bool,
    pub(crate) exclude: Vec<PathPattern>,
    pub(crate) vary_by: Vec<KeyBy>,
    pub(crate) max_entry: usize,
    pub(crate) tag_headers: Vec<HeaderName>,
    pub(crate) tags: Vec<String>,
    /// How long a request waits for another, and how many do; `None`: they do not.
    pub(crate) collapse: Option<(Duration, usize)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct CacheHooks(pub(crate) Arc<Inner>);

/// What lasts beyond an exchange.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) plan: Plan,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
}

/// The last to use a store empties it: it is kept for as long as the level lists the plugin, which may be without a cache.
impl Drop for Inner {
    fn drop(&mut self) {
        if Arc::strong_count(&self.store) <= 2 {
            self.store.clear();
        }
    }
}

/// An exchange on its way to the upstream and back.
#[derive(Clone)]
struct Passage(Arc<Mutex<Option<Box<Journey>>>>);

struct Journey {
    key: Key,
    number: u64,
    by: Box<[u8]>,
    asker: Asker,
    /// When it was asked for.
    asked: Instant,
    lead: Option<Lead>,
    /// What is there, though stale.
    stale: Option<Arc<Stored>>,
    /// The client's own conditions, if others took their place.
    conditions: Option<Vec<(HeaderName, HeaderValue)>>,
    /// Of `Cache-Status`: why it is forwarded.
    why: &'static str,
}

/// What is found for a request.
enum Found {
    Answer(Box<HttpResponse>),
    /// Serve this, and fetch it anew meanwhile.
    Meanwhile(Arc<Stored>),
    /// Ask the upstream.
    Fetch {
        stale: Option<Arc<Stored>>,
        why: &'static str,
    },
}

impl Hooks<Http> for CacheHooks {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST | Stages::ERROR
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        let inner = &self.0;
        let head = cx.request();
        match head.method {
            Method::GET if inner.plan.get => {}
            Method::HEAD if inner.plan.head => {}
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::CONNECT => {
                return Step::ready(Pre::Continue);
            }
            _ => return Step::ready(Pre::Continue),
        }
        let asked = Asked::of(&head.headers);
        let path = head.uri.path();
        let excluded = !inner.plan.exclude.is_empty() && inner.plan.exclude.iter().any(|p| p.is_match(path));
        if excluded || asked.passes || !cx.whole_request_mut().body.is_end_stream() {
            inner.store.figures.passed.fetch_add(1, Relaxed);
            return Step::ready(Pre::Continue);
        }
        inner.step(cx, asked)
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        Step::ready(match take(cx) {
            Some(journey) => self.0.settle(cx, *journey),
            None => {
                self.0.after_a_change(cx);
                Post::Continue
            }
        })
    }

    fn error<'a>(&'a self, cx: &'a mut Cx<Http>, error: &'a Error) -> Step<'a, OnFailure<Http>> {
        let Some(mut journey) = take(cx) else { return Step::ready(OnFailure::PassOn) };
        journey.give_conditions_back(cx);
        if error.kind() == ErrorKind::ClientClosed {
            return Step::ready(OnFailure::PassOn);
        }
        let lead = journey.lead.take();
        let failed = error.status().is_server_error();
        let instead = if failed { self.0.instead_of_an_error(cx, &journey, error.status()) } else { None };
        if let Some(lead) = lead {
            lead.end(Outcome::Apart);
        }
        Step::ready(instead.map_or(OnFailure::PassOn, |response| OnFailure::Recover(Box::new(response))))
    }
}

fn take(cx: &Cx<Http>) -> Option<Box<Journey>> {
    cx.get::<Passage>()?.0.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Journey {
    fn give_conditions_back(&mut self, cx: &mut Cx<Http>) {
        if let Some(before) = self.conditions.take() {
            restore(&mut cx.request_mut().headers, before);
        }
    }
}

impl Inner {
    /// Of the request as it stands: what is there for it.
    fn look(&self, cx: &Cx<Http>, key: &KeyRef<'_>, by: &[u8], asked: &Asked, asker: Asker, told: &Told) -> Found {
        let fetch = |stale, why| Found::Fetch { stale, why };
        let Some(variants) = self.store.get(key) else { return fetch(None, "uri-miss") };
        let head = cx.request();
        let route = cx.route().map(|route| &route.label);
        let Some(stored) = find(&variants, route, by, &head.headers) else { return fetch(None, "vary-miss") };
        let for_them = (!asker.authorized || stored.life.for_authorized) && (!asker.cookie || stored.life.explicit);
        if !for_them {
            return fetch(None, "bypass");
        }
        let now = self.clock.now();
        let age = stored.age(now);
        let control = self.heeded(asked, &head.headers);
        let takes = control.as_ref().is_none_or(|control| accepts(control, &stored.life, age));
        let is_fresh = match &control {
            Some(_) => takes,
            None => stored.life.is_fresh(age),
        };
        if is_fresh {
            return Found::Answer(Box::new(serve::answer(stored, &head.method, &head.headers, now, told)));
        }
        let asks =
            control.is_some_and(|control| control.no_cache || control.max_age.is_some() || control.min_fresh.is_some());
        if !asks && stored.life.may_be_served_meanwhile(age) {
            return Found::Meanwhile(stored.clone());
        }
        fetch(Some(stored.clone()), if stored.life.is_fresh(age) { "request" } else { "stale" })
    }

    /// The request's own directives, where they are heeded.
    fn heeded(&self, asked: &Asked, headers: &HeaderMap) -> Option<Control> {
        (self.plan.rules.request_directives && asked.controls).then(|| Control::of(headers))
    }

    fn asker(&self, cx: &Cx<Http>, asked: &Asked, headers: &HeaderMap) -> Asker {
        let by = &self.plan.vary_by;
        let header_of = |name: &HeaderName| by.iter().any(|key| matches!(key, KeyBy::Header(n) if n == name));
        let told_apart = (by.contains(&KeyBy::Consumer) && cx.consumer().is_some())
            || (by.contains(&KeyBy::User) && cx.identity().is_some());
        let credentials = asked.credentials
            && ((headers.contains_key(header::AUTHORIZATION) && !header_of(&header::AUTHORIZATION))
                || (headers.contains_key("x-api-key") && !header_of(&HeaderName::from_static("x-api-key"))));
        let known = cx.identity().is_some() || cx.consumer().is_some();
        let no_store = self.heeded(asked, headers).is_some_and(|control| control.no_store);
        Asker { authorized: (known || credentials) && !told_apart, cookie: asked.cookie, no_store }
    }

    /// The way in of a GET or HEAD.
    fn step<'a>(self: &'a Arc<Self>, cx: &'a mut Cx<Http>, asked: Asked) -> Step<'a, Pre<Http>> {
        let mut by = Vec::new();
        key::write_by(&mut by, &self.plan.vary_by, cx);
        let asker = self.asker(cx, &asked, &cx.request().headers);
        let Some(url) = key::of(cx) else { return Step::ready(Pre::Continue) };
        if asker.no_store {
            self.store.figures.passed.fetch_add(1, Relaxed);
            return Step::ready(Pre::Continue);
        }
        let (stale, why) = match self.look(cx, &url, &by, &asked, asker, &Told::HIT) {
            Found::Answer(response) => {
                self.store.figures.hits.fetch_add(1, Relaxed);
                return Step::ready(Pre::Respond(response));
            }
            Found::Meanwhile(stored) => {
                let (key, number) = (url.to_key(), self.number(&url, &by));
                return Step::ready(self.meanwhile(cx, &stored, key, number, &by, asker));
            }
            Found::Fetch { stale, why } => (stale, why),
        };
        if self.heeded(&asked, &cx.request().headers).is_some_and(|control| control.only_if_cached) {
            let error = Error::new(ErrorKind::UpstreamTimeout).with_code("not_cached");
            return Step::ready(Pre::fail(
                error.with_detail("It is not in the cache, and only the cache was to be asked"),
            ));
        }
        let (key, number) = (url.to_key(), self.number(&url, &by));
        let now = self.clock.now();
        let mut journey =
            Journey { key, number, by: by.into(), asker, asked: now, lead: None, stale, conditions: None, why };
        let may_wait = cx.request().method == Method::GET
            && !asker.authorized
            && !asked.range
            && (!asked.conditional || journey.stale.is_some());
        let Some((wait, most)) = self.plan.collapse.filter(|_| may_wait && !self.store.passes(number, now)) else {
            self.go_on(cx, journey);
            return Step::ready(Pre::Continue);
        };
        match self.store.flights.join(number, most) {
            Place::Lead(lead) => {
                journey.lead = Some(lead);
                self.go_on(cx, journey);
                Step::ready(Pre::Continue)
            }
            Place::Full => {
                self.go_on(cx, journey);
                Step::ready(Pre::Continue)
            }
            Place::Follow(flight) => {
                Step::later(async move { Ok(self.wait(cx, asked, journey, flight, wait, most).await) })
            }
        }
    }

    /// A number of what is fetched together: URL and `varyBy`.
    fn number(&self, key: &KeyRef<'_>, by: &[u8]) -> u64 {
        let of_url = self.store.number(key);
        if by.is_empty() { of_url } else { self.store.mix(of_url, by) }
    }

    /// Waits for who fetches the same, as long as that may take.
    async fn wait(
        self: &Arc<Self>,
        cx: &mut Cx<Http>,
        asked: Asked,
        mut journey: Journey,
        mut flight: tokio::sync::watch::Receiver<Outcome>,
        wait: Duration,
        most: usize,
    ) -> Pre<Http> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let ended = flight.wait_for(|outcome| *outcome != Outcome::Pending);
            let outcome = match tokio::time::timeout_at(until, ended).await {
                Ok(Ok(outcome)) => *outcome,
                Ok(Err(_)) => Outcome::Gone,
                Err(_) => Outcome::Apart,
            };
            if outcome == Outcome::Stored {
                let told = Told { word: "HIT", status: Some(HeaderValue::from_static("buntime; hit; collapsed")) };
                let found = match key::of(cx) {
                    Some(url) => self.look(cx, &url, &journey.by, &asked, journey.asker, &told),
                    None => Found::Fetch { stale: None, why: "uri-miss" },
                };
                match found {
                    Found::Answer(response) => {
                        self.store.figures.hits.fetch_add(1, Relaxed);
                        self.store.figures.collapsed.fetch_add(1, Relaxed);
                        return Pre::Respond(response);
                    }
                    // Fetched this moment, and stale already: it is good enough for who waited for it.
                    Found::Meanwhile(stored) => {
                        let head = cx.request();
                        self.store.figures.collapsed.fetch_add(1, Relaxed);
                        let now = self.clock.now();
                        return Pre::respond(serve::answer(&stored, &head.method, &head.headers, now, &told));
                    }
                    Found::Fetch { stale, why } => (journey.stale, journey.why) = (stale, why),
                }
            }
            if outcome == Outcome::Apart {
                break;
            }
            // Its client has gone, or what it brought is not for this request.
            match self.store.flights.join(journey.number, most) {
                Place::Lead(lead) => {
                    journey.lead = Some(lead);
                    break;
                }
                Place::Full => break,
                Place::Follow(next) => flight = next,
            }
        }
        journey.asked = self.clock.now();
        self.go_on(cx, journey);
        Pre::Continue
    }

    /// Lets the request go on to the upstream, with a condition if something is there.
    fn go_on(&self, cx: &mut Cx<Http>, mut journey: Journey) {
        self.store.figures.misses.fetch_add(1, Relaxed);
        let range = cx.request().headers.contains_key(header::RANGE);
        if let Some(stale) = journey.stale.clone().filter(|stale| !range && has_validator(stale)) {
            // A HEAD is asked as it is: what comes back says nothing of a body.
            if cx.request().method == Method::GET {
                journey.conditions = Some(ask_for_changes(&mut cx.request_mut().headers, &stale.headers));
            }
        }
        if self.plan.rules.surrogate {
            offer(&mut cx.request_mut().headers);
        }
        cx.insert(Passage(Arc::new(Mutex::new(Some(Box::new(journey))))));
    }

    /// Serves what is stale, and fetches it anew if nobody does.
    fn meanwhile(
        self: &Arc<Self>,
        cx: &mut Cx<Http>,
        stored: &Arc<Stored>,
        key: Key,
        number: u64,
        by: &[u8],
        asker: Asker,
    ) -> Pre<Http> {
        let now = self.clock.now();
        if let Some(lead) = self.store.flights.lead(number) {
            let request = anew(cx, stored, self.plan.rules.surrogate);
            let headers = cx.request().headers.clone();
            let route = cx.route().map(|route| route.label.clone());
            let (inner, stored, by) = (self.clone(), stored.clone(), Box::<[u8]>::from(by));
            cx.afterwards(request, move |response| async move {
                let fetched = Fetched { key, by, route, asker, asked: now, number };
                inner.renew(fetched, stored, headers, response, lead).await;
            });
        }
        self.store.figures.hits.fetch_add(1, Relaxed);
        self.store.figures.stale.fetch_add(1, Relaxed);
        let head = cx.request();
        let told = Told { word: "STALE", status: None };
        Pre::respond(serve::answer(stored, &head.method, &head.headers, now, &told))
    }

    /// What came of fetching something anew in the background.
    async fn renew(
        &self,
        fetched: Fetched,
        stale: Arc<Stored>,
        headers: HeaderMap,
        response: Response<Body>,
        lead: Lead,
    ) {
        let (head, body) = response.into_parts();
        if head.status == StatusCode::NOT_MODIFIED {
            let renewed = self.freshened(&stale, &head.headers, &fetched, &headers);
            let stored = renewed.is_some_and(|stored| self.store.insert(&fetched.key, stored, fetched.asked));
            self.store.figures.revalidated.fetch_add(1, Relaxed);
            return lead.end(if stored { Outcome::Stored } else { Outcome::Apart });
        }
        if head.status.is_server_error() {
            return lead.end(Outcome::Apart);
        }
        let Some(draft) = self.draft(&fetched, head.status, &head.headers, &headers) else {
            self.store.remove(&fetched.key, &stale);
            return lead.end(Outcome::Apart);
        };
        let outcome = match axum::body::to_bytes(body, self.plan.max_entry).await {
            Ok(body) if draft.exactly.is_none_or(|exactly| exactly == body.len() as u64) => {
                let stored = self.store.insert(&fetched.key, Arc::new(draft.finish(body)), fetched.asked);
                if stored { Outcome::Stored } else { Outcome::Apart }
            }
            _ => Outcome::Apart,
        };
        lead.end(outcome);
    }

    /// The way back.
    fn settle(self: &Arc<Self>, cx: &mut Cx<Http>, mut journey: Journey) -> Post<Http> {
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
        let stored = renewed.as_ref().is_some_and(|s| self.store.insert(&fetched.key, s.clone(), fetched.asked));
        if renewed.is_none() {
            self.store.remove(&fetched.key, &stale);
        }
        if let Some(lead) = lead {
            lead.end(if stored { Outcome::Stored } else { Outcome::Apart });
        }
        let text = format!("buntime; fwd={}; fwd-status=304{}", journey.why, if stored { "; stored" } else { "" });
        let told = Told { word: "REVALIDATED", status: HeaderValue::try_from(text).ok() };
        let given = renewed.unwrap_or(stale);
        let method = &cx.request().method;
        Post::Replace(Box::new(serve::answer(&given, method, headers, self.clock.now(), &told)))
    }

    /// What is stored, with what a 304 says of it. `None` if it may not be stored any longer.
    fn freshened(&self, stale: &Stored, new: &HeaderMap, fetched: &Fetched, asked: &HeaderMap) -> Option<Arc<Stored>> {
        let mut headers = stale.headers.clone();
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
                Kept::Whole(body) => inner.store.insert(&fetched.key, Arc::new(draft.finish(body)), fetched.asked),
                Kept::Lost => false,
            };
            if let Some(lead) = lead {
                lead.end(if stored { Outcome::Stored } else { Outcome::Apart });
            }
        });
    }

    /// What would be stored of an answer, but for its body. `None` if it must not be.
    fn draft(&self, fetched: &Fetched, status: StatusCode, headers: &HeaderMap, asked: &HeaderMap) -> Option<Draft> {
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

    /// What is stale, where it may take the place of an error.
    fn instead_of_an_error(&self, cx: &Cx<Http>, journey: &Journey, status: StatusCode) -> Option<HttpResponse> {
        let stale = journey.stale.as_ref()?;
        let now = self.clock.now();
        if !stale.life.may_replace_an_error(stale.age(now)) {
            return None;
        }
        self.store.figures.stale.fetch_add(1, Relaxed);
        let text = format!("buntime; fwd={}; fwd-status={}; detail=stale-if-error", journey.why, status.as_u16());
        let told = Told { word: "STALE", status: HeaderValue::try_from(text).ok() };
        let head = cx.request();
        tracing::warn!(request_id = cx.meta().request_id_str(), "served stale instead of {}", status.as_u16());
        Some(serve::answer(stale, &head.method, &head.headers, now, &told))
    }

    /// A method that changes something has succeeded: what is stored of the URL goes, and of those that the answer names.
    fn after_a_change(&self, cx: &Cx<Http>) {
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
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            if let Some(other) = value.and_then(|value| key::named(&key, value)) {
                self.store.invalidate(&other, now);
            }
        }
    }
}

/// What an answer was fetched for.
struct Fetched {
    key: Key,
    by: Box<[u8]>,
    route: Option<Arc<str>>,
    asker: Asker,
    asked: Instant,
    number: u64,
}

/// What will be stored when its body is there.
struct Draft {
    status: StatusCode,
    headers: HeaderMap,
    life: policy::Life,
    received: (Instant, SystemTime),
    variant: Variant,
    tags: Box<[Box<str>]>,
    exactly: Option<u64>,
}

impl Draft {
    fn finish(self, body: bytes::Bytes) -> Stored {
        Stored::new(self.status, self.headers, body, self.life, self.received, self.variant, self.tags)
    }
}

impl Journey {
    fn fetched(&self, cx: &Cx<Http>) -> Fetched {
        Fetched {
            key: self.key.clone(),
            by: self.by.clone(),
            route: cx.route().map(|route| route.label.clone()),
            asker: self.asker,
            asked: self.asked,
            number: self.number,
        }
    }
}

fn find<'v>(
    variants: &'v Variants,
    route: Option<&Arc<str>>,
    by: &[u8],
    headers: &HeaderMap,
) -> Option<&'v Arc<Stored>> {
    variants.iter().find(|stored| stored.variant.suits(route, by, headers))
}

fn has_validator(stored: &Stored) -> bool {
    stored.headers.contains_key(header::ETAG) || stored.headers.contains_key(header::LAST_MODIFIED)
}

/// Tells an upstream that it may say `Surrogate-Control`.
fn offer(headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::try_from(format!("{SURROGATE}=\"Surrogate/1.0\"")) {
        headers.append(SURROGATE_CAPABILITY, value);
    }
}

/// The request that fetches something anew.
fn anew(cx: &Cx<Http>, stored: &Stored, surrogate: bool) -> HttpRequest {
    let head = cx.request();
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = head.uri.clone();
    *request.version_mut() = head.version;
    request.headers_mut().clone_from(&head.headers);
    ask_for_changes(request.headers_mut(), &stored.headers);
    if surrogate {
        offer(request.headers_mut());
    }
    // Where there is no edge, it says who is connected.
    request.extensions_mut().clone_from(&head.extensions);
    request.into()
}
