//! The clock of one connection: slow heads, nothing to do, clients that take nothing. The worker's watch has it look at
//! counters now and then, so that the way of a request reads no clock; a limit is noticed up to a quarter late.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Limits;
use crate::framing::LinkState;

const SHORTEST_TICK: Duration = Duration::from_millis(10);
const LONGEST_TICK: Duration = Duration::from_secs(5);
/// How long a client may go on sending after our last byte.
const LINGER: Duration = Duration::from_secs(2);

/// What the connection should do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// Close once nothing runs.
    Close,
    /// Ask again at once: a head is to be refused as too slow.
    Refuse,
    /// It was closed, and the other side has had its time: drop it.
    End,
    /// Drop it: the client takes nothing.
    Cut,
}

#[derive(Debug)]
pub(super) struct Clock {
    link: Arc<LinkState>,
    /// The number of requests seen, and since when that is so.
    calls: (u64, Instant),
    /// The head arriving in pieces, and since when.
    head: Option<(u64, Instant)>,
    /// Bytes written when the socket last took some, and since when it takes none.
    blocked: Option<(u64, Instant)>,
    /// Since when it is to be closed, or closing.
    closing: Option<Instant>,
}

impl Clock {
    pub(super) fn new(link: Arc<LinkState>, now: Instant) -> Self {
        Self { link, calls: (0, now), head: None, blocked: None, closing: None }
    }

    /// How often to look.
    pub(super) fn period(limits: &Limits) -> Duration {
        let shortest = limits.header_timeout.min(limits.idle_timeout);
        (shortest / 4).clamp(SHORTEST_TICK, LONGEST_TICK)
    }

    pub(super) fn look(&mut self, now: Instant, limits: &Limits) -> Verdict {
        if self.closing.is_some() && !self.link.is_closing() && self.link.in_flight() > 0 {
            // An HTTP/2 request that crossed our goodbye may end in its own time.
            self.closing = Some(now);
            return Verdict::Fine;
        }
        if self.link.is_closing() || self.closing.is_some() {
            let since = *self.closing.get_or_insert(now);
            return if now.duration_since(since) >= LINGER { Verdict::End } else { Verdict::Fine };
        }
        if self.takes_nothing(now, limits.idle_timeout) {
            return Verdict::Cut;
        }
        if self.link.in_flight() > 0 {
            self.calls.1 = now;
            self.head = None;
            return Verdict::Fine;
        }
        if let Some(head) = self.link.partial_head() {
            let since = match self.head {
                Some((same, since)) if same == head => since,
                _ => now,
            };
            self.head = Some((head, since));
            if now.duration_since(since) >= limits.header_timeout {
                self.link.give_up_on_head();
                return Verdict::Refuse;
            }
            return Verdict::Fine;
        }
        self.head = None;
        let calls = self.link.calls();
        if calls != self.calls.0 {
            self.calls = (calls, now);
        }
        let patience = if calls == 0 { limits.header_timeout } else { limits.idle_timeout };
        if now.duration_since(self.calls.1) < patience {
            return Verdict::Fine;
        }
        // An HTTP/2 client is asked whether it has understood, and may never answer.
        self.closing = Some(now);
        Verdict::Close
    }

    fn takes_nothing(&mut self, now: Instant, patience: Duration) -> bool {
        let (written, is_blocked) = self.link.writing();
        if !is_blocked {
            self.blocked = None;
            return false;
        }
        let since = match self.blocked {
            Some((same, since)) if same == written => since,
            _ => now,
        };
        self.blocked = Some((written, since));
        now.duration_since(since) >= patience
    }
}
