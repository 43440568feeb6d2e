//! One clock for all connections of a worker. It looks at each now and then and leaves orders for those that are to end,
//! so that a connection that is polled reads no clock, takes no lock and holds no timer.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU8,
            Ordering::{AcqRel, Acquire},
        },
    },
    task::Waker,
};

use futures_util::task::AtomicWaker;
use slab::Slab;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Control,
    clock::{Clock, Verdict},
};
use crate::framing::LinkState;

/// What a connection is to do, besides going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orders(u8);

impl Orders {
    const NONE: Self = Self(0);
    /// Poll it again: what it reads has changed.
    const LOOK: Self = Self(1);
    /// Close once nothing runs.
    const CLOSE: Self = Self(2);
    /// Drop it.
    const END: Self = Self(4);

    pub(super) const fn close(self) -> bool {
        self.0 & Self::CLOSE.0 != 0
    }

    pub(super) const fn end(self) -> bool {
        self.0 & Self::END.0 != 0
    }
}

/// The connections of one worker.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    connections: Slab<(Arc<Mail>, Clock)>,
    /// What whoever comes now is told at once.
    standing: u8,
}

/// Where orders for a connection lie.
#[derive(Debug)]
struct Mail {
    orders: AtomicU8,
    waker: AtomicWaker,
}

impl Mail {
    fn give(&self, order: Orders) {
        self.orders.fetch_or(order.0, AcqRel);
        self.waker.wake();
    }
}

/// A connection's place on the list, for as long as it lives.
#[derive(Debug)]
pub(super) struct Watched {
    watch: Arc<Watch>,
    key: usize,
    mail: Arc<Mail>,
}

impl Watched {
    /// The orders given since the last call; `waker` is woken for the next.
    pub(super) fn orders(&self, waker: &Waker) -> Orders {
        self.mail.waker.register(waker);
        if self.mail.orders.load(Acquire) == Orders::NONE.0 {
            return Orders::NONE;
        }
        Orders(self.mail.orders.swap(Orders::NONE.0, AcqRel))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.lock().connections.remove(self.key);
    }
}

impl Watch {
    /// From now on that connection is looked at.
    pub(super) fn begin(self: &Arc<Self>, link: Arc<LinkState>) -> Watched {
        let mut list = self.lock();
        let mail = Arc::new(Mail { orders: AtomicU8::new(list.standing), waker: AtomicWaker::new() });
        let key = list.connections.insert((Arc::clone(&mail), Clock::new(link, Instant::now())));
        drop(list);
        Watched { watch: Arc::clone(self), key, mail }
    }

    /// Looks at all of them until the worker ends. `stopping`: they are to close; `cut`: they end, whatever they do.
    pub(super) async fn run(&self, control: &Control, stopping: &CancellationToken, cut: &CancellationToken) {
        let (mut is_stopping, mut is_cut) = (false, false);
        loop {
            let period = Clock::period(&control.limits.load());
            tokio::select! {
                biased;
                () = stopping.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    self.tell_all(Orders::CLOSE);
                }
                () = cut.cancelled(), if !is_cut => {
                    is_cut = true;
                    self.tell_all(Orders::END);
                }
                () = sleep(period) => self.look(control),
            }
        }
    }

    fn tell_all(&self, order: Orders) {
        let mut list = self.lock();
        list.standing |= order.0;
        list.connections.iter().for_each(|(_, (mail, _))| mail.give(order));
    }

    fn look(&self, control: &Control) {
        let (now, limits) = (Instant::now(), control.limits.load());
        for (_, (mail, clock)) in &mut self.lock().connections {
            match clock.look(now, &limits) {
                Verdict::Fine => {}
                Verdict::Refuse => {
                    control.stats.count_timed_out();
                    mail.give(Orders::LOOK);
                }
                Verdict::Close => mail.give(Orders::CLOSE),
                Verdict::End => mail.give(Orders::END),
                Verdict::Cut => {
                    control.stats.count_timed_out();
                    mail.give(Orders::END);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
