//! Who calls, and for which namespace.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use buntime_core::{Error, ErrorKind};
use buntime_keyval::{Key, Namespace, engine::DEFAULT_NAMESPACE, json::key_from_path};
use http::{Method, request::Parts};

use super::{Refused, Rest};
use crate::ops::{Op, Ops};

/// Somebody who may use the store, and the namespace they mean.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) kv: Arc<Namespace>,
    pub(super) rest: Rest,
}

impl Caller {
    pub(super) fn ops(&self) -> &Ops {
        &self.rest.face.ops
    }

    /// Does something with the store, and counts it.
    pub(super) async fn time<T>(
        &self,
        op: Op,
        doing: impl Future<Output = buntime_keyval::Result<T>>,
    ) -> Result<T, Refused> {
        Ok(self.ops().time(op, doing).await?)
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn now(&self) -> u64 {
        self.rest.face.engine.clock().now()
    }
}

impl FromRequestParts<Rest> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Refused> {
        rest.face.access.admit(&parts.headers, &parts.extensions)?;
        let params = RawPathParams::from_request_parts(parts, rest).await;
        let params = params.map_err(|_| Refused::malformed("The path is not percent-encoded UTF-8"))?;
        let named = params.iter().find(|(name, _)| *name == "namespace").map(|(_, value)| value);
        let open = async |name| rest.face.engine.namespace(name, rest.limits.clone()).await.map(Arc::new);
        let kv = match named {
            Some(name) if only_reads(parts) && name != DEFAULT_NAMESPACE => {
                let there = rest.face.engine.existing(name, rest.limits.clone()).await?;
                Arc::new(there.ok_or_else(|| {
                    Refused::new(ErrorKind::NotFound, "There is no such namespace; who writes to it makes it")
                })?)
            }
            Some(name) => open(name).await?,
            None => rest.default.get_or_try_init(|| open(DEFAULT_NAMESPACE)).await?.clone(),
        };
        Ok(Self { kv, rest: rest.clone() })
    }
}

/// Does it only look? Who waits for something may do so before anything was written.
fn only_reads(parts: &Parts) -> bool {
    let path = below_api(parts.uri.path());
    let waits = ["/watch", "/queue/poll", "/queue/listen"].iter().any(|begin| path.starts_with(begin));
    matches!(parts.method, Method::GET | Method::HEAD) && !waits
}

/// What is behind `/api` or `/ns/<name>/api`.
fn below_api(path: &str) -> &str {
    let named = path.strip_prefix("/ns/").and_then(|named| named.find('/').and_then(|end| named.get(end..)));
    named.unwrap_or(path).strip_prefix("/api").unwrap_or_default()
}

/// The key in the path, which is read as it was sent: an encoded slash is part of a part.
#[derive(Debug)]
pub(super) struct PathKey(pub(super) Key);

impl<S: Send + Sync> FromRequestParts<S> for PathKey {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let path = below_api(parts.uri.path()).strip_prefix("/keys/").unwrap_or_default();
        let key = key_from_path(path)?;
        if key.is_empty() {
            return Err(Refused::malformed("Key path cannot be empty"));
        }
        Ok(Self(key))
    }
}

/// A request that does something and might be sent by a page of somebody else's, which sends it without asking.
#[derive(Debug)]
pub(super) struct NotFromElsewhere;

impl<S: Send + Sync> FromRequestParts<S> for NotFromElsewhere {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        match parts.headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes) {
            None | Some(b"same-origin" | b"none") => Ok(Self),
            Some(_) => {
                Err(Error::new(ErrorKind::Forbidden).with_detail("Pages of other sites take no messages").into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_the_api() {
        assert_eq!(below_api("/api/keys/a/api/b"), "/keys/a/api/b");
        assert_eq!(below_api("/ns/api/api/keys/x"), "/keys/x");
        assert_eq!(below_api("/ns/a/api/watch"), "/watch");
        assert_eq!(below_api("/ns/a"), "");
    }
}
