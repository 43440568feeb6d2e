//! Nodes that share a database share its rules: each looks at one number every now and then.

use std::{sync::Arc, time::Duration};

use super::Book;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(2);

impl Book {
    /// Takes over what other nodes change, for ever. A database that cannot be used is tried again.
    pub(crate) async fn follow(self: Arc<Self>, mut complained: bool) {
        loop {
            tokio::time::sleep(EVERY).await;
            match self.catch_up().await {
                Ok(changed) => {
                    if complained {
                        tracing::info!("the database that keeps the rules can be used again");
                    } else if changed {
                        tracing::info!("took over rules that another node changed");
                    }
                    complained = false;
                }
                Err(error) => {
                    if !complained {
                        tracing::warn!("cannot take over the rules of the database: {error}");
                    }
                    complained = true;
                }
            }
        }
    }
}
