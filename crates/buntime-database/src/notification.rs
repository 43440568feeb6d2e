//! What transactions say to everybody who listens, on any node.

use tokio::{sync::mpsc, task::AbortHandle};

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// From here on everything is heard. The first there is, and told again whenever the connection had been lost: what was
    /// said in between is not heard any more.
    Listening,
    /// A transaction that is committed said this. In the order of commits.
    Said(String),
}

/// Listens for as long as it is kept. See [`crate::Adapter::notifications`].
#[derive(Debug)]
pub struct Notifications {
    heard: mpsc::Receiver<Heard>,
    task: AbortHandle,
}

impl Notifications {
    /// Bytes of one at the most.
    pub const MOST: usize = 7_900;

    /// Of a task that sends them.
    #[cfg(feature = "postgres")]
    pub(crate) fn new(heard: mpsc::Receiver<Heard>, task: AbortHandle) -> Self {
        Self { heard, task }
    }

    /// What a test says.
    #[cfg(feature = "testing")]
    pub fn of(heard: mpsc::Receiver<Heard>) -> Self {
        Self { heard, task: tokio::spawn(async {}).abort_handle() }
    }

    /// The next; `None` when the adapter is closed. Nothing is lost when this is dropped while it waits.
    pub async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        self.task.abort();
    }
}
