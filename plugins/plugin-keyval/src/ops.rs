//! What is counted: each operation, how long it took, and whether it failed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use buntime_measure::{Bounds, Cells, Histogram};

macro_rules! ops {
    ($($(#[$meta:meta])* $variant:ident $name:literal,)*) => {
        /// An operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Op { $($(#[$meta])* $variant,)* }

        impl Op {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in metrics.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

ops! {
    AtomicCommit "atomic_commit",
    Count "count",
    Delete "delete",
    Export "export",
    Get "get",
    Import "import",
    IndexDeclare "index_declare",
    IndexRemove "index_remove",
    List "list",
    ListByIndex "list_by_index",
    Paginate "paginate",
    QueueAck "queue_ack",
    QueueDequeue "queue_dequeue",
    QueueEnqueue "queue_enqueue",
    QueueExtend "queue_extend",
    QueueNack "queue_nack",
    Search "search",
    Set "set",
    /// Of KV Connect.
    SnapshotRead "snapshot_read",
    /// Of KV Connect.
    AtomicWrite "atomic_write",
}

/// Upper bounds of the durations, in seconds.
const BOUNDS: [f64; 11] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Counters of all operations.
#[derive(Debug)]
pub(crate) struct Ops {
    bounds: Bounds,
    seconds: Arc<[f64]>,
    cells: Cells,
}

/// What was counted of one operation.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) op: Op,
    pub(crate) errors: u64,
    pub(crate) took: Histogram,
}

impl Ops {
    pub(crate) fn new() -> Self {
        let bounds = Bounds::new(&BOUNDS);
        let cells = Cells::new(Op::ALL.len() * Self::width(&bounds));
        Self { bounds, seconds: BOUNDS.into(), cells }
    }

    /// Counters of one operation: its errors, and its durations.
    fn width(bounds: &Bounds) -> usize {
        1 + bounds.cells()
    }

    /// Does it, and counts it.
    pub(crate) async fn time<T, E>(&self, op: Op, doing: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let begun = Instant::now();
        let done = doing.await;
        self.count(op, begun.elapsed(), done.is_err());
        done
    }

    /// It was done.
    pub(crate) fn count(&self, op: Op, took: Duration, failed: bool) {
        let first = op as usize * Self::width(&self.bounds);
        self.bounds.observe(&self.cells, first + 1, took);
        if failed {
            self.cells.add(first, 1);
        }
    }

    pub(crate) fn read(&self) -> impl Iterator<Item = Reading> {
        Op::ALL.iter().map(|op| {
            let first = *op as usize * Self::width(&self.bounds);
            Reading { op: *op, errors: self.cells.read(first), took: self.bounds.read(&self.cells, first + 1) }
        })
    }

    /// Upper bounds of the durations, in seconds.
    pub(crate) fn bounds(&self) -> Arc<[f64]> {
        self.seconds.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn operations_are_counted_apart() {
        let ops = Ops::new();
        ops.time(Op::Get, async { Ok::<_, ()>(()) }).await.unwrap();
        ops.time(Op::Set, async { Err::<(), _>(()) }).await.unwrap_err();
        ops.count(Op::Set, Duration::from_millis(3), false);
        let counted: Vec<_> = ops.read().filter(|of| of.took.count() > 0).collect();
        let figures = counted.iter().map(|of| (of.op, of.took.count(), of.errors)).collect::<Vec<_>>();
        assert_eq!(figures, [(Op::Get, 1, 0), (Op::Set, 2, 1)]);
        assert_eq!(counted.last().map(|of| of.took.buckets[1]), Some(1));
    }
}
