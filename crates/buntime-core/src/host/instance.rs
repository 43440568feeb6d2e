//! One running instance: started, kept alive by what uses it, and shut down when the last of that is gone.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::{
    breaker::Breaker,
    chain::{Kept, Link, Member, OrderKey},
    exec::watch::panic_text,
    hooks::HookSet,
    host::plan::Planned,
    kind::Kind,
    options::{EntryOptions, OnError},
    plugin::{Offers, Plugin, PluginContext, Startup},
};

/// A running instance.
pub(crate) struct Instance {
    pub(crate) plugin: Arc<dyn Plugin>,
    /// As it was planned when it was started.
    pub(crate) planned: Arc<Planned>,
    pub(crate) context: PluginContext,
    pub(crate) offers: Offers,
    pub(crate) member: Arc<Member>,
    shutdown_limit: Duration,
    reaping: TaskTracker,
    home: Handle,
    stopped: AtomicBool,
}

/// How long things may take, and where the last of an instance is awaited.
#[derive(Clone)]
pub(crate) struct Bounds {
    pub(crate) startup: Duration,
    pub(crate) shutdown: Duration,
    pub(crate) reaping: TaskTracker,
    pub(crate) home: Handle,
}

impl Instance {
    /// Starts one. What a failed startup left behind is stopped again.
    pub(crate) async fn start(planned: &Arc<Planned>, context: PluginContext, bounds: &Bounds) -> Result<Self, String> {
        let mut startup = Startup {
            context: context.clone(),
            offers: Offers::default(),
            problems: Vec::new(),
            declared: planned.metadata.capabilities.clone(),
        };
        let begun = std::panic::AssertUnwindSafe(planned.plugin.startup(&mut startup)).catch_unwind();
        let result = match tokio::time::timeout(bounds.startup, begun).await {
            Err(_) => Err(format!("startup took longer than {:?}", bounds.startup)),
            Ok(Err(panic)) => Err(format!("startup panicked: {}", panic_text(&*panic))),
            Ok(Ok(Err(error))) => Err(with_causes(&*error)),
            Ok(Ok(Ok(()))) => Ok(()),
        };
        let Startup { offers, mut problems, .. } = startup;
        problems.extend(unknown_sets(&planned.entry.options, &offers));
        let result = result.and_then(|()| if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) });
        let breaker = Breaker::new(planned.entry.options.breaker.unwrap_or_default(), context.clock().clone());
        let member = Member::new(planned.entry.plugin.clone(), planned.metadata.capabilities.clone(), breaker)
            .measured_in(context.0.book.clone());
        let instance = Self {
            plugin: planned.plugin.clone(),
            planned: planned.clone(),
            context,
            offers,
            member: Arc::new(member),
            shutdown_limit: bounds.shutdown,
            reaping: bounds.reaping.clone(),
            home: bounds.home.clone(),
            stopped: AtomicBool::new(false),
        };
        match result {
            Ok(()) => Ok(instance),
            Err(reason) => {
                // It never ran: its tasks are ended, its shutdown is not called.
                instance.stopped.store(true, Ordering::SeqCst);
                end_tasks(&instance.context, bounds.shutdown).await;
                Err(reason)
            }
        }
    }

    /// Its hook sets of a kind, as links of a chain.
    pub(crate) fn links<K: Kind>(&self, planned: &Planned) -> Vec<Link<K>> {
        let sets = self.offers.hooks.get(&std::any::TypeId::of::<K>());
        let Some(sets) = sets.and_then(|sets| sets.downcast_ref::<Vec<HookSet<K>>>()) else { return Vec::new() };
        let options = &planned.entry.options;
        let default = if planned.metadata.refuses { OnError::Fail } else { OnError::Continue };
        sets.iter()
            .map(|set| {
                let moved = options.hook_priorities.get(&*set.name).map(|p| p.0);
                let set = HookSet { priority: moved.or(set.priority), ..set.clone() };
                let timeout = options.hook_timeout.map(|t| t.0).or(set.timeout);
                let mut link = Link::new(self.member.clone(), set, planned.key);
                link.mode = options.mode.unwrap_or_default();
                link.on_error = options.on_error.clone().unwrap_or_else(|| default.clone());
                link.timeout = timeout.unwrap_or(link.timeout);
                link
            })
            .collect()
    }

    /// The keys of its hook sets of any kind that stand in a chain.
    pub(crate) fn keys<K: Kind>(&self, planned: &Planned) -> Vec<OrderKey> {
        self.links::<K>(planned).iter().map(|link| link.key).collect()
    }

    /// For a chain to keep.
    pub(crate) fn kept(self: &Arc<Self>) -> Kept {
        Kept { member: self.member.clone(), _instance: self.clone() }
    }

    /// Shuts it down now, whoever still uses it. The second time does nothing.
    pub(crate) async fn stop(&self) -> Result<(), String> {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        stop(&self.plugin, &self.context, self.shutdown_limit).await
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        let (plugin, context, limit) = (self.plugin.clone(), self.context.clone(), self.shutdown_limit);
        let task = async move {
            if let Err(reason) = stop(&plugin, &context, limit).await {
                tracing::warn!(plugin = context.name().as_str(), "shutdown failed: {reason}");
            }
        };
        self.reaping.spawn_on(task, &self.home);
    }
}

async fn stop(plugin: &Arc<dyn Plugin>, context: &PluginContext, limit: Duration) -> Result<(), String> {
    let ended = std::panic::AssertUnwindSafe(plugin.shutdown(context)).catch_unwind();
    let result = match tokio::time::timeout(limit, ended).await {
        Err(_) => Err(format!("shutdown took longer than {limit:?}")),
        Ok(Err(panic)) => Err(format!("shutdown panicked: {}", panic_text(&*panic))),
        Ok(Ok(Err(error))) => Err(with_causes(&*error)),
        Ok(Ok(Ok(()))) => Ok(()),
    };
    let in_time = end_tasks(context, limit).await;
    result.and(if in_time { Ok(()) } else { Err(format!("its tasks did not end within {limit:?}")) })
}

async fn end_tasks(context: &PluginContext, limit: Duration) -> bool {
    context.0.cancel.cancel();
    context.0.tasks.close();
    tokio::time::timeout(limit, context.0.tasks.wait()).await.is_ok()
}

/// A misspelt hook set is an error, never silence.
fn unknown_sets(options: &EntryOptions, offers: &Offers) -> Vec<String> {
    let known: BTreeSet<&str> = offers.sets.keys().map(|(_, name)| name.as_str()).collect();
    let unknown = options.hook_priorities.keys().filter(|name| !known.contains(name.as_str()));
    unknown
        .map(|name| {
            let list: Vec<&str> = known.iter().copied().collect();
            format!("hookPriorities names the hook set `{name}`; there are: {}", list.join(", "))
        })
        .collect()
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(c) = cause {
        text = format!("{text}: {c}");
        cause = c.source();
    }
    text
}
