//! The response cache through the chain: what is stored for whom, and what is served when.

mod collapse;
mod invalidation;
mod safety;
mod serving;
mod shared;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use buntime_core::{Clock, Cx, Error, ErrorKind, Handler, Host, Http, HttpResponse, Step};
use buntime_testing::eventually;
use http::{HeaderMap, Method, Response};
use serde_json::{Value, json};

use crate::common::{Ask, api, auth, get, header, json as read, program, start, start_at};

type Answer = dyn Fn(usize, &Method, &HeaderMap) -> Result<Response<Body>, Error> + Send + Sync;

/// An upstream that counts, and answers as it is told.
#[derive(Clone)]
pub(crate) struct Origin {
    calls: Arc<AtomicUsize>,
    answer: Arc<Answer>,
    gate: Option<Arc<tokio::sync::Semaphore>>,
}

impl Origin {
    /// The number of the call, from 1, is the body of each answer that is given none.
    pub(crate) fn new(
        answer: impl Fn(usize, &Method, &HeaderMap) -> Result<Response<Body>, Error> + Send + Sync + 'static,
    ) -> Self {
        Self { calls: Arc::default(), answer: Arc::new(answer), gate: None }
    }

    /// Every answer has these fields, and the number of the call as its body.
    pub(crate) fn saying(fields: &'static [(&'static str, &'static str)]) -> Self {
        Self::new(move |call, _, _| Ok(said(fields, call)))
    }

    /// Answers only when it is let.
    pub(crate) fn gated(mut self, gate: &Arc<tokio::sync::Semaphore>) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

pub(crate) fn said(fields: &[(&str, &str)], call: usize) -> Response<Body> {
    let mut response = Response::builder();
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(Body::from(call.to_string())).unwrap()
}

impl Handler<Http> for Origin {
    fn call<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, HttpResponse, Error> {
        Step::later(async move {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            (self.answer)(call, &cx.request().method, &cx.request().headers).map(HttpResponse::from)
        })
    }
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let body = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// What is answered: `X-Cache`, and the body.
pub(crate) async fn ask(host: &Host, ask: &Ask, origin: &Origin) -> (String, String) {
    let response = ask.answered(host, origin.clone()).await;
    let word = response.headers().get("x-cache").map_or("-", |word| word.to_str().unwrap()).to_owned();
    (word, text(response).await)
}

pub(crate) fn pair(word: &str, body: &str) -> (String, String) {
    (word.to_owned(), body.to_owned())
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60"), ("etag", "\"a\"")];

pub(crate) async fn entries(host: &Host) -> usize {
    read(api(host, "GET", "/cache/entries?limit=1000").await).await.as_array().unwrap().len()
}
