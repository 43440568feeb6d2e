//! The way in: what is there is given, somebody who fetches the same is waited for, or the request goes on.

use std::{
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::Duration,
};

use buntime_core::{Cx, Error, ErrorKind, Http, HttpResponse, Pre, Step};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tokio::sync::watch;

use super::{
    collapse::{Outcome, Place},
    control::{Control, SURROGATE},
    entry::Stored,
    journey::{Journey, Passage},
    key::{self, KeyRef},
    plan::Inner,
    policy::Asker,
    request::{Asked, accepts, ask_for_changes},
    serve::{self, Told},
    store::Variants,
    tier::Tier,
};
use crate::config::KeyBy;

const SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");

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
    pub(super) fn step<'a>(self: &'a Arc<Self>, cx: &'a mut Cx<Http>, asked: Asked) -> Step<'a, Pre<Http>> {
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
                // Who led before may have ended between the look and this.
                if let Found::Answer(response) = self.look(cx, &url, &journey.by, &asked, asker, &Told::HIT) {
                    self.store.figures.hits.fetch_add(1, Relaxed);
                    lead.end(Outcome::Stored);
                    return Step::ready(Pre::Respond(response));
                }
                journey.lead = Some(lead);
                if let Some(tier) = self.tier.as_ref().filter(|tier| journey.stale.is_none() && tier.is_there()) {
                    return Step::later(async move { Ok(self.ask_others(cx, tier, &asked, journey).await) });
                }
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

    /// Looks whether another node has stored it.
    async fn ask_others(&self, cx: &mut Cx<Http>, tier: &Tier, asked: &Asked, mut journey: Journey) -> Pre<Http> {
        let route = cx.route().map(|route| route.label.clone());
        let headers = cx.request().headers.clone();
        let found = tier.find(&journey.key, route, &journey.by, &headers, &self.clock).await;
        if let Some(stored) = found
            && self.store.insert(&journey.key, &std::sync::Arc::new(stored), journey.asked)
            && let Some(url) = key::of(cx)
        {
            let found = self.look(cx, &url, &journey.by, asked, journey.asker, &Told::HIT);
            if let Found::Answer(response) = found {
                self.store.figures.hits.fetch_add(1, Relaxed);
                if let Some(lead) = journey.lead.take() {
                    lead.end(Outcome::Stored);
                }
                return Pre::Respond(response);
            }
        }
        self.go_on(cx, journey);
        Pre::Continue
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
        mut flight: watch::Receiver<Outcome>,
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
            if outcome == Outcome::Stored
                && let Some(answer) = self.brought(cx, &asked, &mut journey)
            {
                return answer;
            }
            if outcome == Outcome::Apart {
                break;
            }
            // Its client has gone, or what it brought is not for this request.
            match self.store.flights.join(journey.number, most) {
                Place::Lead(lead) => {
                    // Another may have led, and ended, meanwhile.
                    if let Some(answer) = self.brought(cx, &asked, &mut journey) {
                        lead.end(Outcome::Stored);
                        return answer;
                    }
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

    /// What another has fetched, if it is for this request too.
    fn brought(&self, cx: &Cx<Http>, asked: &Asked, journey: &mut Journey) -> Option<Pre<Http>> {
        let told = Told { word: "HIT", status: Some("buntime; hit; collapsed".into()) };
        let response = match self.look(cx, &key::of(cx)?, &journey.by, asked, journey.asker, &told) {
            Found::Answer(response) => response,
            // Fetched this moment, and stale already: it is good enough for who waited for it.
            Found::Meanwhile(stored) => {
                let head = cx.request();
                Box::new(serve::answer(&stored, &head.method, &head.headers, self.clock.now(), &told))
            }
            Found::Fetch { stale, why } => {
                (journey.stale, journey.why) = (stale, why);
                return None;
            }
        };
        self.store.figures.hits.fetch_add(1, Relaxed);
        self.store.figures.collapsed.fetch_add(1, Relaxed);
        Some(Pre::Respond(response))
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
pub(super) fn offer(headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::try_from(format!("{SURROGATE}=\"Surrogate/1.0\"")) {
        headers.append(SURROGATE_CAPABILITY, value);
    }
}
