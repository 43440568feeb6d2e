//! Nodes that share a database share what the admin API changes: each looks at one number every now and then.

use std::{sync::Arc, time::Duration};

use buntime_core::Error;
use tokio_util::sync::CancellationToken;

use super::{Current, Keeper};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(2);

impl Keeper {
    /// Follows the changes of other nodes until `ended`.
    pub(crate) async fn follow(self: Arc<Self>, ended: CancellationToken) {
        let mut complained = false;
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            // Plugins that recovered by themselves get their routes now, not with the next request.
            self.shared.routes.current();
            match self.catch_up().await {
                Ok(()) => complained = false,
                Err(error) if !complained => {
                    complained = true;
                    tracing::warn!("cannot take over what other nodes changed: {}", error.report());
                }
                Err(_) => {}
            }
        }
    }

    async fn catch_up(&self) -> Result<(), Error> {
        let mut current = self.current.lock().await;
        if self.store.version().await.map_err(Error::internal)? == current.overlay.version {
            return Ok(());
        }
        let overlay = self.store.load().await.map_err(Error::internal)?;
        let overlay = overlay.without_unknown(&self.origin.catalog);
        let next = Current { overlay, ..current.same() };
        match self.host.apply(next.program(self.catalog())).await {
            Ok(changed) => tracing::info!(?changed, "took over what another node changed"),
            Err(errors) => {
                // It will not get better by trying: what does not fit here is reported once and not applied.
                let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
                tracing::error!("what another node changed cannot be applied here: {}", list.join("; "));
            }
        }
        *current = next;
        self.shared.routes.current();
        Ok(())
    }
}
