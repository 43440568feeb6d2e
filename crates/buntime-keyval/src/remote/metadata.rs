//! The exchange of metadata: where the data is, and until when that is so.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use buntime_http::upstream::Upstream;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use serde_json::{Value as Json, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Inner,
    answer::Failed,
    exchange::{Does, To, bearer, connect},
};
use crate::{Error, Result, wire};

/// So long before its end it is asked for anew.
const BEFORE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(super) struct Metadata {
    upstream: Upstream,
    path: String,
    token: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
    until: Instant,
}

impl Metadata {
    /// Where a request of the data path goes.
    pub(super) fn to(&self, what: &str) -> To<'_> {
        To {
            method: Method::POST,
            upstream: &self.upstream,
            path: format!("{}/{what}", self.path),
            token: &self.token,
            headers: self.headers.clone(),
        }
    }

    /// `base` is the origin that was asked, with its connections.
    fn read(answer: &Json, base: &Upstream) -> Result<Self> {
        let wrong = |what: &'static str| Error::Database(what.into());
        let version = answer.get("version").and_then(Json::as_u64);
        let version = version.filter(|version| wire::VERSIONS.contains(version));
        let version = version.ok_or_else(|| wrong("the server's metadata have no known version"))?;
        let endpoints = answer.get("endpoints").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let strong = endpoints.iter().find(|endpoint| endpoint.get("consistency").is_some_and(|said| said == "strong"));
        let url = strong.and_then(|endpoint| endpoint.get("url")).and_then(Json::as_str);
        let url = url.ok_or_else(|| wrong("the server's metadata have no strong endpoint"))?;
        let url: Uri = url.parse().map_err(|_| wrong("the server's endpoint is no URL"))?;
        let upstream = match url.authority() {
            Some(authority) if authority != base.authority() || url.scheme() != Some(base.scheme()) => connect(&url)?,
            _ => base.clone(),
        };
        let token = answer.get("token").and_then(Json::as_str).unwrap_or_default();
        let id = ["databaseId", "uuid"].iter().find_map(|name| answer.get(name)).and_then(Json::as_str);
        let id = id.ok_or_else(|| wrong("the server's metadata name no database"))?;
        let named = |text: &str| HeaderValue::try_from(text).map_err(|_| wrong("the server's metadata cannot be sent"));
        // The first version has other names for the same.
        let mut headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))];
        if version == 1 {
            headers.push((HeaderName::from_static("x-transaction-domain-id"), named(id)?));
        } else {
            headers.push((HeaderName::from_static("x-denokv-database-id"), named(id)?));
            headers.push((HeaderName::from_static("x-denokv-version"), named(&version.to_string())?));
        }
        let expires = answer.get("expiresAt").and_then(Json::as_str);
        let expires = expires.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        let left = expires.map_or(BEFORE * 2, |at| (at - OffsetDateTime::now_utc()).try_into().unwrap_or_default());
        // A server whose clock is behind would be asked before every call.
        let good = left.saturating_sub(BEFORE).clamp(Duration::from_secs(5), Duration::from_secs(24 * 60 * 60));
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { upstream, path, token: bearer(token)?, headers, until: Instant::now() + good })
    }
}

impl Inner {
    /// As it is known, or asked for once.
    pub(super) async fn known_metadata(&self) -> Result<Arc<Metadata>, Failed> {
        let mut known = self.metadata.lock().await;
        if let Some(metadata) = known.as_ref().filter(|metadata| metadata.until > Instant::now()) {
            return Ok(Arc::clone(metadata));
        }
        let exchange = &self.exchange;
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let to = To {
            method: Method::POST,
            upstream: &exchange.upstream,
            path: exchange.path.clone(),
            token: &exchange.token,
            headers,
        };
        let speaks = json!({ "supportedVersions": wire::VERSIONS }).to_string();
        let answer = exchange.whole(to, speaks.into_bytes(), Does::Reads).await?;
        let answer: Json = serde_json::from_slice(&answer)
            .map_err(|_| Failed::never(Error::Database("the server's metadata are not JSON".into())))?;
        let metadata = Arc::new(Metadata::read(&answer, &exchange.upstream).map_err(Failed::never)?);
        *known = Some(Arc::clone(&metadata));
        Ok(metadata)
    }

    pub(super) async fn forget_metadata(&self) {
        *self.metadata.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &Json) -> Result<Metadata> {
        Metadata::read(answer, &connect(&"http://host:80".parse().unwrap()).unwrap())
    }

    #[test]
    fn where_the_data_is() {
        let answer = json!({ "version": 3, "databaseId": "id", "token": "t", "expiresAt": "2000-01-01T00:00:00Z",
            "endpoints": [{ "url": "/eventual", "consistency": "eventual" }, { "url": "/kv/", "consistency": "strong" }] });
        let metadata = read(&answer).unwrap();
        let to = metadata.to("watch");
        assert_eq!((to.path.as_str(), to.upstream.authority().as_str()), ("/kv/watch", "host:80"));
        assert!(metadata.until > Instant::now(), "not asked for all the time by a server whose clock is wrong");
        let mut elsewhere = answer.clone();
        elsewhere["endpoints"] = json!([{ "url": "http://other/kv", "consistency": "strong" }]);
        assert_eq!(read(&elsewhere).unwrap().to("x").upstream.authority().as_str(), "other");
        for (name, wrong) in [("version", json!(9)), ("databaseId", json!(null)), ("endpoints", json!([]))] {
            let mut bad = answer.clone();
            bad[name] = wrong;
            assert!(read(&bad).is_err(), "{name}");
        }
    }
}
