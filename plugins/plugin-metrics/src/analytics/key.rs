//! What requests are told apart by. Every part is bounded by the configuration or by who answers, never a path.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use hashbrown::Equivalent;

/// What stands for routes, consumers and codes of requests beyond `maxSeries`.
pub const OTHER: &str = "other";

/// One series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The matched route's label.
    pub route: Arc<str>,
    /// Who called, if anybody said so.
    pub consumer: Option<Arc<str>>,
    /// The status that was answered; from 1 to 5 it is a class, of requests beyond `maxSeries`.
    pub status: u16,
    /// The code of the error that was answered, or that broke the answer. What a route or another server
    /// answered itself has none.
    pub code: Option<&'static str>,
}

/// The same, borrowed: how a series is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// See [`Key::route`].
    pub(super) route: &'a str,
    /// See [`Key::consumer`].
    pub(super) consumer: Option<&'a Arc<str>>,
    /// See [`Key::status`].
    pub(super) status: u16,
    /// See [`Key::code`].
    pub(super) code: Option<&'static str>,
}

/// Longer names than that are not told apart.
const LONGEST: usize = 256;

impl Asked<'_> {
    /// May it have a row? Names come from outside: an endless one fills memory, and one with a NUL is no text for every
    /// database.
    pub(super) fn can_be_kept(&self) -> bool {
        let fine = |name: &str| name.len() <= LONGEST && !name.contains('\0');
        fine(self.route) && self.consumer.is_none_or(|consumer| fine(consumer))
    }

    pub(super) fn owned(&self) -> Key {
        Key { route: self.route.into(), consumer: self.consumer.cloned(), status: self.status, code: self.code }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { route, consumer, status, code } = self;
        Asked { route, consumer: consumer.as_ref(), status: *status, code: *code }.hash(state);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.route.hash(state);
        self.consumer.hash(state);
        self.status.hash(state);
        self.code.hash(state);
    }
}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.status == key.status
            && *self.route == *key.route
            && self.consumer == key.consumer.as_ref()
            && self.code == key.code
    }
}

/// How many series stand for those beyond `maxSeries`: a class each, with a code and without.
pub(super) const OTHERS: usize = 10;

/// Which of them.
pub(super) fn other_index(status: u16, code: Option<&str>) -> usize {
    usize::from(class(status)) - 1 + if code.is_some() { OTHERS / 2 } else { 0 }
}

/// Its key.
pub(super) fn other_key(index: usize) -> Key {
    Key {
        route: OTHER.into(),
        consumer: Some(OTHER.into()),
        status: u16::try_from(index % (OTHERS / 2) + 1).unwrap_or(1),
        code: (index >= OTHERS / 2).then_some(OTHER),
    }
}

/// 1 to 5. Statuses beyond 599 exist on the wire; whoever sends them is at fault. What is a class already stays it.
pub(super) fn class(status: u16) -> u16 {
    if (1..=5).contains(&status) { status } else { (status / 100).clamp(1, 5) }
}
