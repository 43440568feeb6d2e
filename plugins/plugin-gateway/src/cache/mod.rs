//! The response cache: RFC 9111 as a shared cache, in memory, bounded by bytes.
//!
//! [`policy`] and [`control`] are what the RFC says, and pure; [`key`] and [`entry`] what is stored; [`store`] where;
//! [`collapse`] lets one fetch for all; [`serve`] answers; [`hooks`] puts it together: [`inward`] on the way in, [`outward`]
//! on the way back, [`renew`] in the background.

pub(crate) mod collapse;
pub(crate) mod control;
pub(crate) mod entry;
pub(crate) mod hooks;
pub(crate) mod invalidate;
mod inward;
mod journey;
pub(crate) mod key;
mod outward;
pub(crate) mod plan;
pub(crate) mod policy;
mod renew;
pub(crate) mod request;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod tee;
mod tier;
mod wire;

use std::{sync::Arc, time::Duration};

use buntime_core::{BoxError, PluginContext};
use buntime_router::PathPattern;

use self::{
    hooks::CacheHooks,
    plan::{Inner, Plan},
    policy::Rules,
    store::Store,
    tier::Tier,
};
use crate::{
    config::{CacheSettings, Words},
    limits::shared::Shared,
};

/// How long a request waits for another, unless configured.
const WAIT: Duration = Duration::from_secs(3);
/// How many wait for one.
const WAITERS: u32 = 10_000;
const VARIANTS: u32 = 32;

/// What a scope's settings say, and the store of the level that said it: a reload finds it again.
pub(crate) fn open(
    context: &PluginContext,
    settings: &CacheSettings,
    redis: Option<Arc<Shared>>,
) -> Result<CacheHooks, BoxError> {
    let (bytes, entry) = (settings.max_bytes(), settings.max_entry_bytes());
    let variants = settings.max_variants.unwrap_or(VARIANTS);
    let level = context.origin("/cache").clone();
    let store = context.keep_at(&level, &format!("cache/{bytes}/{entry}/{variants}"), || {
        Store::new(bytes, entry, usize::try_from(variants).unwrap_or(usize::MAX))
    });
    let tier = redis.map(|redis| Tier::start(context, redis, &level, &store));
    Ok(CacheHooks(Arc::new(Inner { plan: plan(settings)?, store, clock: context.clock().clone(), tier })))
}

fn plan(settings: &CacheSettings) -> Result<Plan, BoxError> {
    let span = |span: Option<buntime_core::units::Span>| span.map_or(Duration::ZERO, Duration::from);
    let methods = settings.methods.as_ref().map(Words::as_slice);
    let has = |method: &str| methods.is_none_or(|methods| methods.iter().any(|one| one == method));
    let collapse = settings.collapse.clone().unwrap_or_default();
    let exclude: Result<Vec<_>, _> = settings.exclude_paths.iter().map(|text| PathPattern::new(text)).collect();
    Ok(Plan {
        rules: Rules {
            ttl: span(settings.ttl),
            heuristic: settings.heuristic.unwrap_or_default(),
            set_cookie: settings.set_cookie.unwrap_or_default(),
            request_directives: settings.request_directives.unwrap_or_default(),
            surrogate: settings.surrogate.unwrap_or_default(),
            stale_while_revalidate: span(settings.stale_while_revalidate),
            stale_if_error: span(settings.stale_if_error),
        },
        get: has("GET"),
        head: has("HEAD"),
        exclude: exclude?,
        vary_by: settings.vary_by.clone(),
        max_entry: usize::try_from(settings.max_entry_bytes())?,
        tag_headers: settings.tag_headers(),
        tags: settings.tags.clone(),
        collapse: collapse.enabled.unwrap_or(true).then(|| {
            let waiters = collapse.waiters.unwrap_or(WAITERS);
            (collapse.wait.map_or(WAIT, Duration::from), usize::try_from(waiters).unwrap_or(usize::MAX))
        }),
    })
}
