//! The hook: a key in the request, and whose it is.

use std::sync::Arc;

use buntime_core::{Cx, Hooks, Http, KeyDigest, PluginContext, Pre, Stages, Step, values::Identity};
use http::{HeaderMap, HeaderName, HeaderValue, header};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What is kept of a key, and looked for: its SHA-256. How long the look-up of a digest takes says nothing of a key.
pub fn digest(key: &[u8]) -> KeyDigest {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

pub(crate) struct KeyHooks {
    pub(crate) context: PluginContext,
    pub(crate) forward_key: bool,
}

impl KeyHooks {
    fn recognise(&self, cx: &mut Cx<Http>) -> Result<(), buntime_core::BoxError> {
        let headers = &cx.request().headers;
        let candidates = keys(headers);
        if candidates.iter().all(Option::is_none) {
            return Ok(());
        }
        let consumers = self.context.consumers();
        let known = |(name, key): &(HeaderName, &[u8])| Some((name.clone(), consumers.by_key(&digest(key))?.clone()));
        let found: Vec<(HeaderName, Arc<str>)> = candidates.iter().flatten().filter_map(known).collect();
        let Some((_, consumer)) = found.first().cloned() else { return Ok(()) };
        if !self.forward_key {
            // A second key is somebody's, too.
            for (name, _) in found {
                cx.request_mut().headers.remove(name);
            }
        }
        let identity = Identity { subject: consumer.to_string(), ..Identity::default() };
        cx.set_identity(Arc::new(identity))?;
        cx.set_consumer(consumer)?;
        Ok(())
    }
}

/// The keys a request brings: `X-API-Key`, else a bearer token. A header that comes twice says nothing.
fn keys(headers: &HeaderMap) -> [Option<(HeaderName, &[u8])>; 2] {
    let only = |name: &HeaderName| {
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none()).map(HeaderValue::as_bytes)
    };
    let bearer = only(&header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
    });
    let key = only(&X_API_KEY).map(|key| (X_API_KEY, key.trim_ascii()));
    [key, bearer.map(|key| (header::AUTHORIZATION, key))].map(|found| found.filter(|(_, key)| !key.is_empty()))
}

impl Hooks<Http> for KeyHooks {
    fn stages(&self) -> Stages {
        Stages::PRE
    }

    fn pre<'a>(&'a self, cx: &'a mut Cx<Http>) -> Step<'a, Pre<Http>> {
        Step::Done(self.recognise(cx).map(|()| Pre::Continue))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_request() {
        let found = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            keys(&headers).map(|key| key.map(|(_, key)| String::from_utf8(key.to_vec()).unwrap()))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found(&[("x-api-key", " a ")]), [some("a"), None]);
        assert_eq!(found(&[("authorization", "BEARER  b")]), [None, some("b")]);
        assert_eq!(found(&[("x-api-key", "a"), ("authorization", "Bearer b")]), [some("a"), some("b")]);
        assert_eq!(found(&[("x-api-key", "a"), ("x-api-key", "b")]), [None, None]);
        assert_eq!(found(&[("authorization", "Basic b"), ("x-api-key", "")]), [None, None]);
        assert_eq!(found(&[("authorization", "Bearer ")]), [None, None]);
    }
}
