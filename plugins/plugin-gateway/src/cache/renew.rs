//! What is stale is served, and fetched anew in the background through the rest of the chain, by one at a time.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use axum::body::Body;
use buntime_core::{Cx, Http, HttpRequest, Pre};
use http::{HeaderMap, Request, Response, StatusCode};

use super::{
    collapse::{Lead, Outcome},
    entry::Stored,
    inward::offer,
    journey::Fetched,
    key::Key,
    plan::Inner,
    policy::Asker,
    request::ask_for_changes,
    serve::{self, Told},
};

impl Inner {
    /// Serves what is stale, and fetches it anew if nobody does.
    pub(super) fn meanwhile(
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
            let stored = renewed.is_some_and(|stored| self.put(&fetched, &stored));
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
                let stored = self.put(&fetched, &Arc::new(draft.finish(body)));
                if stored { Outcome::Stored } else { Outcome::Apart }
            }
            _ => Outcome::Apart,
        };
        lead.end(outcome);
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
