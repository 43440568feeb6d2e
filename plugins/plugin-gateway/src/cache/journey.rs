//! What is remembered of one exchange from the way in to the way back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use buntime_core::{Cx, Http};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{
    collapse::Lead,
    entry::{Stored, Variant},
    key::Key,
    policy::{self, Asker},
    request::restore,
};

/// An exchange on its way to the upstream and back.
#[derive(Clone)]
pub(super) struct Passage(pub(super) Arc<Mutex<Option<Box<Journey>>>>);

pub(super) struct Journey {
    pub(super) key: Key,
    pub(super) number: u64,
    pub(super) by: Box<[u8]>,
    pub(super) asker: Asker,
    /// When it was asked for.
    pub(super) asked: Instant,
    pub(super) lead: Option<Lead>,
    /// What is there, though stale.
    pub(super) stale: Option<Arc<Stored>>,
    /// The client's own conditions, if others took their place.
    pub(super) conditions: Option<Vec<(HeaderName, HeaderValue)>>,
    /// Of `Cache-Status`: why it is forwarded.
    pub(super) why: &'static str,
}

pub(super) fn take(cx: &Cx<Http>) -> Option<Box<Journey>> {
    cx.get::<Passage>()?.0.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Journey {
    pub(super) fn give_conditions_back(&mut self, cx: &mut Cx<Http>) {
        if let Some(before) = self.conditions.take() {
            restore(&mut cx.request_mut().headers, before);
        }
    }
}

/// What an answer was fetched for.
pub(super) struct Fetched {
    pub(super) key: Key,
    pub(super) by: Box<[u8]>,
    pub(super) route: Option<Arc<str>>,
    pub(super) asker: Asker,
    pub(super) asked: Instant,
    pub(super) number: u64,
}

/// What will be stored when its body is there.
pub(super) struct Draft {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) life: policy::Life,
    pub(super) received: (Instant, SystemTime),
    pub(super) variant: Variant,
    pub(super) tags: Box<[Box<str>]>,
    pub(super) exactly: Option<u64>,
}

impl Draft {
    pub(super) fn finish(self, body: bytes::Bytes) -> Stored {
        Stored::new(self.status, &self.headers, body, self.life, self.received, self.variant, self.tags)
    }
}

impl Journey {
    pub(super) fn fetched(&self, cx: &Cx<Http>) -> Fetched {
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
