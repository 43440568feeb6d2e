//! One stored answer.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{key, policy::Life};

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
    /// As they are sent, but for what is made anew.
    pub(crate) headers: HeaderMap,
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
        mut headers: HeaderMap,
        body: Bytes,
        life: Life,
        received: (Instant, SystemTime),
        variant: Variant,
        tags: Box<[Box<str>]>,
    ) -> Self {
        if status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if !headers.contains_key(header::DATE) {
            let date = HeaderValue::try_from(httpdate::fmt_http_date(received.1));
            headers.insert(header::DATE, date.unwrap_or_else(|_| HeaderValue::from_static("")));
        }
        let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 48).sum();
        let vary: usize = variant.fields.iter().map(|(_, value)| 64 + value.as_ref().map_or(0, |v| v.len())).sum();
        let words: usize = tags.iter().map(|tag| tag.len() + 16).sum();
        let weight = OVERHEAD + fields + vary + words + variant.by.len() + body.len();
        let received = received.0;
        Self { status, headers, body, life, received, variant, tags, weight, moment: ArcSwapOption::empty() }
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
        let hit = HeaderValue::try_from(format!("buntime; hit; ttl={ttl}"));
        self.moment.store(Some(Arc::new(Moment {
            second,
            age: HeaderValue::from(second),
            hit: hit.unwrap_or_else(|_| HeaderValue::from_static("buntime; hit")),
        })));
        self.moment.load()
    }
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
