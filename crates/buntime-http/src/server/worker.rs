//! Worker threads: one current-thread runtime each, fed with connections.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{Control, Serve, connection, stats::Open, watch::Watch};

/// A connection on its way to its worker.
pub(super) struct Arrival {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) open: Open,
}

/// One worker thread. Dropping it ends the thread, and with it everything that runs there.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) open: Arc<AtomicUsize>,
    arrivals: mpsc::UnboundedSender<Arrival>,
    cut: CancellationToken,
    quit: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Hands a connection over. The channel needs no bound of its own: `max_connections` is one.
    pub(super) fn take(&self, arrival: Arrival) {
        // A worker ends only after the acceptor has.
        let _ = self.arrivals.send(arrival);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.quit.cancel();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// What a worker's connections share.
#[derive(Clone, Debug)]
pub(super) struct WorkerContext {
    pub(super) index: usize,
    pub(super) control: Arc<Control>,
    pub(super) stopping: CancellationToken,
    pub(super) cut: CancellationToken,
    pub(super) watch: Arc<Watch>,
}

pub(super) fn start<S: Serve>(count: usize, control: &Arc<Control>, service: &Arc<S>) -> io::Result<Vec<Worker>> {
    (0..count)
        .map(|index| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            // Tokens of its own: polling a shared one takes a lock that every worker would want.
            let context = WorkerContext {
                index,
                control: Arc::clone(control),
                stopping: control.stopping.child_token(),
                cut: CancellationToken::new(),
                watch: Arc::default(),
            };
            let (sender, receiver) = mpsc::unbounded_channel();
            let (cut, quit) = (context.cut.clone(), CancellationToken::new());
            let (service, ended) = (Arc::clone(service), quit.clone());
            let thread = thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || run(&runtime, receiver, &context, &service, &ended))?;
            Ok(Worker { open: Arc::default(), arrivals: sender, cut, quit, thread: Some(thread) })
        })
        .collect()
}

fn run<S: Serve>(
    runtime: &Runtime,
    mut arrivals: mpsc::UnboundedReceiver<Arrival>,
    context: &WorkerContext,
    service: &Arc<S>,
    quit: &CancellationToken,
) {
    runtime.block_on(quit.run_until_cancelled(async {
        let own = context.clone();
        tokio::spawn(async move { own.watch.run(&own.control, &own.stopping, &own.cut).await });
        while let Some(arrival) = arrivals.recv().await {
            tokio::spawn(connection::run(arrival, context.clone(), Arc::clone(service)));
        }
        std::future::pending::<()>().await;
    }));
}

/// Ends every connection that HTTP is still spoken on. Upgraded ones end with the threads.
pub(super) fn cut_connections(workers: &[Worker]) {
    for worker in workers {
        worker.cut.cancel();
    }
}

/// The worker with the fewest open connections.
pub(super) fn least_busy(workers: &[Worker]) -> Option<&Worker> {
    workers.iter().min_by_key(|worker| worker.open.load(Relaxed))
}
