//! One stored answer.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwapOption;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    key,
    policy::Life,
    serve::{CACHE_STATUS, X_CACHE},
};

/// Fields that each answer has of its own.
const MADE_ANEW: [HeaderName; 3] = [header::AGE, CACHE_STATUS, X_CACHE];

/// What an entry takes beside its texts and its body, about.
const OVERHEAD: usize = 512;
/// An answer has no more tags, and no longer ones.
const MOST_TAGS: usize = 100;
const LONGEST_TAG: usize = 256;

/// What a request said in a field, as it is compared; `None` if the field was absent.
type Said = Option<Box<[u8]>>;

/// What tells it apart from others of its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) route: Option<Arc<str>>,
    /// What `varyBy` says of the request.
    pub(crate) by: Box<[u8]>,
    /// What `Vary` named, and what the request said there.
    pub(crate) fields: Box<[(HeaderName, Said)]>,
}

impl Variant {
    /// That of a request, for an answer that varies by these fields.
    pub(crate) fn new(route: Option<Arc<str>>, by: &[u8], names: Vec<HeaderName>, headers: &HeaderMap) -> Self {
        let field = |name: HeaderName| {
            let mut value = Vec::new();
            let there = key::write_field(&mut value, headers, &name);
            (name, there.then(|| value.into_boxed_slice()))
        };
        Self { route, by: by.into(), fields: names.into_iter().map(field).collect() }
    }

    /// Is it what such a request is to get?
    pub(crate) fn suits(&self, route: Option<&Arc<str>>, by: &[u8], headers: &HeaderMap) -> bool {
        self.route.as_ref() == route
            && *self.by == *by
            && self.fields.iter().all(|(name, value)| {
                with_scratch(|scratch| {
                    let there = key::write_field(scratch, headers, name);
                    there == value.is_some() && value.as_deref().unwrap_or_default() == &**scratch
                })
            })
    }
}

/// Lends a buffer that is empty.
pub(crate) fn with_scratch<R>(run: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    thread_local! {
        static SCRATCH: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        run(scratch)
    })
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) status: StatusCode,
    /// As they are sent, with places for what is made anew: what is copied for an answer then need not grow.
    pub(crate) headers: HeaderMap,
    /// What caches further on have said in `Cache-Status`.
    said: Option<Box<str>>,
    pub(crate) body: Bytes,
    pub(crate) life: Life,
    pub(crate) received: Instant,
    pub(crate) variant: Variant,
    pub(crate) tags: Box<[Box<str>]>,
    pub(crate) weight: usize,
    /// What is said of it in this second.
    moment: ArcSwapOption<Moment>,
}

/// The fields that change with time, as they are sent within one second.
#[derive(Debug)]
pub(crate) struct Moment {
    second: u64,
    pub(crate) age: HeaderValue,
    /// Of `Cache-Status`: a hit and how long it is still fresh.
    pub(crate) hit: HeaderValue,
}

impl Stored {
    /// Makes it; weighs it too.
    pub(crate) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        body: Bytes,
        life: Life,
        received: (Instant, SystemTime),
        variant: Variant,
        tags: Box<[Box<str>]>,
    ) -> Self {
        let mut headers = own(headers);
        if status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if !headers.contains_key(header::DATE) {
            let date = HeaderValue::try_from(httpdate::fmt_http_date(received.1));
            headers.insert(header::DATE, date.unwrap_or_else(|_| HeaderValue::from_static("")));
        }
        let lines = headers.get_all(CACHE_STATUS).iter().filter_map(|line| line.to_str().ok());
        let said = lines.collect::<Vec<_>>().join(", ");
        let said = (!said.is_empty()).then(|| said.into());
        for name in MADE_ANEW {
            headers.insert(name, HeaderValue::from_static(""));
        }
        let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 48).sum();
        let vary: usize = variant.fields.iter().map(|(_, value)| 64 + value.as_ref().map_or(0, |v| v.len())).sum();
        let words: usize = tags.iter().map(|tag| tag.len() + 16).sum();
        let weight = OVERHEAD + fields + vary + words + variant.by.len() + body.len();
        let received = received.0;
        Self { status, headers, said, body, life, received, variant, tags, weight, moment: ArcSwapOption::empty() }
    }

    /// Its fields as they came.
    pub(crate) fn fields(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        for name in MADE_ANEW {
            headers.remove(name);
        }
        if let Some(said) = self.said.as_ref().and_then(|said| HeaderValue::try_from(&**said).ok()) {
            headers.insert(CACHE_STATUS, said);
        }
        headers
    }

    /// `Cache-Status` with that at its end.
    pub(crate) fn status(&self, told: &str) -> HeaderValue {
        let made = match &self.said {
            Some(said) => HeaderValue::try_from(format!("{said}, {told}")),
            None => HeaderValue::try_from(told),
        };
        made.unwrap_or_else(|_| HeaderValue::from_static("buntime"))
    }

    /// How old it is.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.life.age(now.saturating_duration_since(self.received))
    }

    /// What is said of its age. Written once a second, however often it is asked for.
    pub(crate) fn moment(&self, age: Duration) -> arc_swap::Guard<Option<Arc<Moment>>> {
        let second = age.as_secs();
        let now = self.moment.load();
        if now.as_ref().is_some_and(|moment| moment.second == second) {
            return now;
        }
        let lifetime = i64::try_from(self.life.lifetime.as_secs()).unwrap_or(i64::MAX);
        let ttl = lifetime.saturating_sub_unsigned(second);
        let hit = self.status(&format!("buntime; hit; ttl={ttl}"));
        self.moment.store(Some(Arc::new(Moment { second, age: HeaderValue::from(second), hit })));
        self.moment.load()
    }
}

/// The same fields in memory of their own: what a connection has read is shared with all else it has read at once.
fn own(headers: &HeaderMap) -> HeaderMap {
    let mut bytes = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    for value in headers.values() {
        bytes.extend_from_slice(value.as_bytes());
    }
    let mut bytes = bytes.freeze();
    let mut own = HeaderMap::with_capacity(headers.len() + MADE_ANEW.len() + 2);
    for (name, value) in headers {
        // Never an error: it was a value before.
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes.split_to(value.len())) {
            own.append(name.clone(), value);
        }
    }
    own
}

/// The tags an answer has: those of its fields, in words, and those of the settings.
pub(crate) fn tags_of(headers: &HeaderMap, fields: &[HeaderName], configured: &[String]) -> Box<[Box<str>]> {
    let mut tags: Vec<Box<str>> = configured.iter().map(|tag| tag.as_str().into()).collect();
    for line in fields.iter().flat_map(|name| headers.get_all(name)) {
        let words = line.to_str().unwrap_or_default().split([',', ' ', '\t']);
        tags.extend(words.filter(|word| !word.is_empty() && word.len() <= LONGEST_TAG).map(Into::into));
    }
    tags.sort_unstable();
    tags.dedup();
    tags.truncate(MOST_TAGS);
    tags.into()
}
