//! Watches the configuration file. The directory is watched, not the file: editors replace files, and so do
//! orchestrators. Only a file whose text has changed and then stayed the same for a moment is loaded.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::keeper::Keeper;

/// How long a file must be left alone before it is read.
const SETTLED: Duration = Duration::from_millis(200);
/// How often the file is looked at where the system cannot tell.
const POLL: Duration = Duration::from_secs(2);

/// The text of a file as the watch compares it, to be taken before the file is loaded: a change in between is then
/// seen, at worst twice.
pub(crate) async fn text(file: &Path) -> Option<Vec<u8>> {
    tokio::fs::read(file).await.ok()
}

/// Reloads whenever the file is no longer what was `loaded`, until `ended`. Without a file there is nothing to watch.
pub(crate) fn watch(keeper: &Arc<Keeper>, mut loaded: Option<Vec<u8>>, ended: &CancellationToken) {
    let Some(file) = keeper.file().map(Path::to_owned) else { return };
    let (keeper, ended) = (Arc::clone(keeper), ended.clone());
    let stirred = Arc::new(Notify::new());
    let watcher = match watcher(&file, Arc::clone(&stirred)) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!("the system cannot watch the configuration file ({error}); it is looked at every 2 s");
            None
        }
    };
    tokio::spawn(async move {
        // The first look is for what changed before the watch began.
        stirred.notify_one();
        loop {
            let polled =
                async { if watcher.is_some() { std::future::pending().await } else { tokio::time::sleep(POLL).await } };
            tokio::select! {
                () = ended.cancelled() => return,
                () = stirred.notified() => {}
                () = polled => {}
            }
            let now = settled(&file).await;
            // A file that is gone for a moment is being replaced.
            if now.is_some() && now != loaded {
                loaded = now;
                // What is wrong with it is in the log.
                let _ = keeper.reload("the file changed").await;
            }
        }
    });
}

fn watcher(file: &Path, stirred: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the file is an event, too.
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            stirred.notify_one();
        }
    })?;
    let dir =
        file.parent().filter(|dir| !dir.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    watcher.watch(&dir, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// The text once it has stayed the same for a moment.
async fn settled(file: &Path) -> Option<Vec<u8>> {
    let mut before = text(file).await;
    loop {
        tokio::time::sleep(SETTLED).await;
        let now = text(file).await;
        if now == before {
            return now;
        }
        before = now;
    }
}
