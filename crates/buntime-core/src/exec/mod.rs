//! The executor: runs an exchange through a chain. Generic over the kind.
//!
//! An exchange is one owned value ([`State`]) with a cursor of the hook sets that were entered. Normal ends unwind
//! inline; one that is dropped early moves to a tracked task that unwinds it there.

pub(crate) mod attempts;
pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod run;
pub(crate) mod tail;
pub(crate) mod watch;

use std::{sync::Arc, time::Duration};

use crate::{chain::Chain, cx::Cx, kind::Kind};

/// Which links of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits([u64; 2]);

impl Bits {
    pub(crate) const fn has(self, index: usize) -> bool {
        self.0[index / 64] & (1 << (index % 64)) != 0
    }

    pub(crate) const fn set(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    pub(crate) const fn clear(&mut self, index: usize) {
        self.0[index / 64] &= !(1 << (index % 64));
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0[0] == 0 && self.0[1] == 0
    }
}

/// One exchange under way.
pub(crate) struct State<K: Kind> {
    pub(crate) chain: Arc<Chain<K>>,
    pub(crate) cx: Cx<K>,
    pub(crate) pulse: watch::Pulse,
    /// The sets whose turn on the way in has come.
    pub(crate) entered: Bits,
    /// Those before this index have not had `post` or `error` yet.
    pub(crate) inside: usize,
    /// Contexts of the parallel batch that is running.
    pub(crate) forks: Vec<batch::Fork<K>>,
    pub(crate) status: u16,
    pub(crate) error: Option<&'static str>,
    pub(crate) response_bytes: u64,
    pub(crate) upgraded_bytes: u64,
    pub(crate) to_head: Option<Duration>,
}
