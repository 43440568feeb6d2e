//! CORS: which other origins browsers may call from. The hook set stands outside (8), so that preflights need no identity
//! and every refusal behind it carries the headers too.
//!
//! What an upstream says of CORS itself is replaced: one of the two must decide, and here it is the gateway.

pub(crate) mod origin;
mod policy;

use buntime_core::{Cx, Error, Hooks, Http, OnFailure, Post, Pre, Stages, Step};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request};

pub(crate) use self::policy::CorsPolicy;

/// See the module.
pub(crate) struct CorsHooks(pub(crate) CorsPolicy);

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");

impl Hooks<Http> for CorsHooks {
    fn stages(&self) -> Stages {
        Stages::PRE | Stages::POST | Stages::ERROR
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        let head = cx.request();
        Step::ready(if is_preflight(head) { Pre::respond(self.0.preflight(head)) } else { Pre::Continue })
    }

    fn post<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Post<Http>> {
        if is_preflight(cx.request()) {
            return Step::ready(Post::Continue);
        }
        let allowed = self.0.allowed(&cx.request().headers);
        if let Some(response) = cx.response_mut() {
            self.0.apply(allowed.as_ref(), &mut response.headers);
        }
        Step::ready(Post::Continue)
    }

    fn error<'a>(&'a self, cx: &'a mut Cx<Http>, _: &'a Error) -> Step<'a, OnFailure<Http>> {
        let mut headers = HeaderMap::new();
        self.0.apply(self.0.allowed(&cx.request().headers).as_ref(), &mut headers);
        Step::ready(if headers.is_empty() { OnFailure::PassOn } else { OnFailure::AddHeaders(headers) })
    }
}

/// Asks a browser whether it may? `OPTIONS` alone is a method like any other.
fn is_preflight(head: &request::Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The one value of a header; `None` if there is none or several.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Adds a word to `Vary` unless it is there.
fn vary(headers: &mut HeaderMap, word: &'static str) {
    let says = |value: &HeaderValue| {
        let words = value.to_str().unwrap_or_default().split(',').map(str::trim);
        words.into_iter().any(|said| said == "*" || said.eq_ignore_ascii_case(word))
    };
    if !headers.get_all(header::VARY).iter().any(says) {
        headers.append(header::VARY, HeaderValue::from_static(word));
    }
}
