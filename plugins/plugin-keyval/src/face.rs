//! What both faces of the store share.

use std::{sync::Arc, time::Duration};

use buntime_keyval::{Engine, Limits};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{access::Access, ops::Ops, rest::Unsettled, usage::Usage};

/// What each request is given.
pub(crate) type Face = Arc<Shared>;

/// The store, and how it may be used.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    /// Deno's limits, those of KV Connect.
    pub(crate) deno: Arc<Limits>,
    pub(crate) access: Access,
    /// Where it is mounted: `/p/keyval`.
    pub(crate) base: Arc<str>,
    /// Places for watches and listeners.
    pub(crate) watches: Arc<Semaphore>,
    pub(crate) keep_alive: Duration,
    pub(crate) stopping: CancellationToken,
    pub(crate) ops: Arc<Ops>,
    /// What listeners to queues have and did not settle.
    pub(crate) unsettled: Unsettled,
    /// How much each namespace holds, as it was counted last.
    pub(crate) usage: Arc<Usage>,
}
