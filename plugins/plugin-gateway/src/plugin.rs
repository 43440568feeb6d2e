//! The plugin: finds its counters, and registers its hook sets and its API.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use buntime_core::{
    Access, BoxError, Capability, Finding, HookSet, Metadata, Plugin, PluginContext, Scope, SettingsSpec, Startup,
};
use buntime_database::{Adapter, Registry};
use tokio::sync::Semaphore;

use crate::{
    api::{self, Api},
    cache,
    config::{GatewaySettings, IPV6_PREFIX, LimitSettings, Logged, MAX_KEYS, RedisSettings},
    cors::{CorsHooks, CorsPolicy},
    desk::Desk,
    history::History,
    limits::{
        algorithm::{Algorithm, Kind, nanos},
        counted::{self, Counted, Shape},
        headers::Told,
        hooks::LimitHooks,
        key::{Keys, hex},
        limit::Limit,
        quota::Ledger,
        shared::Shared,
        time::Anchor,
    },
    log::hooks::LogHooks,
    page,
    shell::{
        Shell, ShellHooks,
        excludes::{Added, Excludes},
    },
};

/// `@buntime/plugin-gateway`.
#[derive(Clone, Copy, Debug, Default)]
pub struct GatewayPlugin;

/// Where the CORS set stands: before whoever asks for an identity.
const CORS: i32 = 8;
/// What does not happen while Redis is away.
const LIMITS: &str = "limits are not counted";
const CACHED: &str = "what is cached is not shared";
/// Where the cache stands: behind authorization.
const CACHE: i32 = 24;
/// Where the shell stands: before CORS and limits, as in the original.
const SHELL: i32 = 7;
/// Where the request log stands: before whoever refuses, or answers by itself.
const LOG: i32 = 4;
/// How often counters are rid of what no longer matters.
const SWEEP: Duration = Duration::from_secs(30);
/// Live streams at once.
const STREAMS: usize = 32;

#[async_trait]
impl Plugin for GatewayPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-gateway", env!("CARGO_PKG_VERSION"))
            .with_description("Rate limits, quotas, a response cache and CORS for everything that passes the gateway.")
            .with_capabilities([Capability::Middleware, Capability::Routes])
            .with_optional_depends_on(["database"])
            .with_priority(15)
            .refusing()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<GatewaySettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: GatewaySettings = startup.settings()?;
        let context = startup.context();
        let desk = context.keep_at(&Scope::Gateway, "desk", Desk::default);
        let history = remember(startup, &context, &settings, &desk);
        let shell = shell(startup, &context, &settings).await?;
        if let Some(cors) = &settings.cors {
            startup.hooks(HookSet::new("cors", CorsHooks(CorsPolicy::new(cors)?)).at(CORS));
        }
        if let Some(cache) = &settings.cache {
            let redis = match settings.redis.as_ref().filter(|_| cache.redis == Some(true)) {
                // A connection of its own: what is large must not hold up what is counted.
                Some(settings) => Some(connect(&context, settings, CACHED).await?),
                None => None,
            };
            let hooks = cache::open(&context, cache, redis)?;
            desk.enlist_cache(&context.origin("/cache").clone(), &hooks.0);
            startup.hooks(HookSet::new("cache", hooks).at(CACHE));
        }
        let redis = match settings.redis.as_ref().filter(|_| settings.rate_limit.is_some()) {
            Some(settings) => Some((connect(&context, settings, LIMITS).await?, settings.on_unavailable)),
            None => None,
        };
        let limits = limits(&context, &settings, redis.is_some()).await?;
        let quotas: Vec<Arc<Counted>> =
            limits.iter().map(|limit| &limit.counted).filter(|c| c.ledger.is_some()).cloned().collect();
        // One set for each priority.
        let mut sets: BTreeMap<Option<i32>, Vec<Limit>> = BTreeMap::new();
        for limit in limits {
            sets.entry(limit.settings.priority).or_default().push(limit);
        }
        for (priority, limits) in sets {
            let limits: Arc<[Limit]> = limits.into();
            desk.enlist(&limits);
            sweep(&context, limits.clone());
            let hooks = LimitHooks {
                told: Told::new(&limits)?,
                clock: context.clock().clone(),
                desk: desk.clone(),
                redis: redis.clone(),
                limits,
            };
            startup.hooks(match priority {
                None => HookSet::new("limits", hooks),
                Some(priority) => HookSet::new(format!("limits:{priority}"), hooks).at(priority),
            });
        }
        let redis = redis.map(|(redis, _)| redis);
        if redis.is_some() || !quotas.is_empty() {
            let redis = redis.clone();
            startup.health_check("plugin:gateway", move || {
                let finding = finding(redis.as_deref(), &quotas);
                async move { finding }
            });
        }
        let streams = Arc::new(Semaphore::new(STREAMS));
        startup.routes(
            Access::Admin,
            api::router(Api { desk, history, shell, redis, settings: Arc::new(settings), streams, context }),
        );
        startup.openapi(api::openapi::fragment());
        buntime_ui::register(startup, Access::Admin, page::page());
        Ok(())
    }
}

/// The Redis of a level, connected to if it is there; otherwise it is tried again each second.
async fn connect(
    context: &PluginContext,
    settings: &RedisSettings,
    without: &'static str,
) -> Result<Arc<Shared>, BoxError> {
    let fresh = Shared::new(settings, without)?;
    // Not the URL itself: names of what is kept might be shown one day.
    let told = format!("{}\n{:?}\n{}\n{without}", settings.url, settings.timeout(), settings.prefix());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, told.as_bytes());
    let level = context.origin("/redis").clone();
    let redis = context.keep_at(&level, &format!("redis/{}", hex(digest.as_ref())), || fresh);
    if !redis.connect().await {
        tracing::warn!("Redis is away, {without} until it is there");
    }
    let (kept, of_task) = (redis.clone(), context.clone());
    context.spawn_until_done(async move { kept.keep(&of_task).await });
    Ok(redis)
}

/// Every entry of `rateLimit` with its counters.
async fn limits(context: &PluginContext, settings: &GatewaySettings, redis: bool) -> Result<Vec<Limit>, BoxError> {
    let entries = settings.limits();
    let names: Vec<String> = entries.iter().map(|(name, _)| name.clone()).collect();
    let mut limits = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        // A quota's keys are written to the database, a shared limit's to Redis.
        let shared = redis && entry.period.is_none();
        let leaves = shared || entry.period.is_some();
        let keys = Keys::new(entry.keys(), settings.ipv6_prefix.unwrap_or(IPV6_PREFIX), leaves);
        let scope = context.origin(&format!("/rateLimit/{name}")).clone();
        let counted = counters(context, settings, &name, entry, &scope, &names)?;
        if let Some(ledger) = &counted.ledger {
            ledger.load(&counted, &Algorithm::new(entry), Ledger::now(context)).await?;
            let (counted, ledger, of_task) = (counted.clone(), ledger.clone(), context.clone());
            context.spawn_until_done(async move { ledger.keep_writing(&counted, &of_task).await });
        }
        limits.push(Limit::new(&name, scope, entry, keys, counted, shared)?);
    }
    Ok(limits)
}

fn counters(
    context: &PluginContext,
    settings: &GatewaySettings,
    name: &str,
    entry: &LimitSettings,
    scope: &Scope,
    names: &[String],
) -> Result<Arc<Counted>, BoxError> {
    let most = usize::try_from(settings.max_keys.unwrap_or(MAX_KEYS))?;
    let way = match Algorithm::new(entry).kind {
        // A bucket's cell means the same whatever its numbers.
        Kind::Bucket { .. } => (0, 0),
        Kind::Fixed(window) => (1, window),
        Kind::Sliding(window) => (2, window),
        Kind::Calendar(period) => (3, nanos(Duration::from_secs(period as u64))),
    };
    let keys: Vec<String> = entry.keys().iter().map(ToString::to_string).collect();
    let shape = Shape { name: name.to_owned(), way, keys: keys.join(","), most };
    let database = match entry.period {
        None => None,
        Some(period) => Some((database(context)?, period)),
    };
    let ledger = database.map(|(database, period)| {
        let counter = format!("{scope}/{name}/{}", shape.keys);
        Arc::new(Ledger::new(database, counter, period, most))
    });
    Ok(counted::find(context, scope, shape, names, || Counted::new(context.clock(), most).with_ledger(ledger)))
}

/// Looks at how requests end, and samples the figures.
fn remember(
    startup: &mut Startup,
    context: &PluginContext,
    settings: &GatewaySettings,
    desk: &Arc<Desk>,
) -> Arc<History> {
    let which = settings.log.as_ref().and_then(|log| log.requests).unwrap_or_default();
    if which != Logged::None {
        let hooks = LogHooks { desk: desk.clone(), which, anchor: Anchor::new(context.clock()) };
        startup.hooks(HookSet::new("log", hooks).at(LOG));
    }
    let history = context.keep_at(&Scope::Gateway, "history", History::default);
    let sampled = settings.history.clone().unwrap_or_default();
    if sampled.is_enabled() {
        let database = if sampled.in_database() { database(context).ok() } else { None };
        let (history, desk, of_task) = (history.clone(), desk.clone(), context.clone());
        context.spawn_until_done(async move { history.sample(&of_task, &desk, &sampled, database).await });
    }
    history
}

/// The shell, and what it is not for.
async fn shell(
    startup: &mut Startup,
    context: &PluginContext,
    settings: &GatewaySettings,
) -> Result<Option<Shell>, BoxError> {
    let Some(target) = &settings.shell_target else { return Ok(None) };
    let added = context.keep_at(&Scope::Gateway, "shell", Added::default);
    let excludes = Arc::new(Excludes::new(&settings.shell_excludes, Some((added, database(context).ok()))));
    if let Err(error) = excludes.read().await {
        tracing::warn!("what the shell is not for cannot be read; it is tried again: {error}");
    }
    let (followed, of_task) = (excludes.clone(), context.clone());
    context.spawn(async move { followed.follow(&of_task).await });
    let shell = Shell::open(context, target, excludes)?;
    startup.hooks(HookSet::new("shell", ShellHooks(shell.clone())).at(SHELL));
    Ok(Some(shell))
}

fn database(context: &PluginContext) -> Result<Arc<dyn Adapter>, BoxError> {
    let registry = context.require::<Registry>()?;
    Ok(registry.get(None)?)
}

/// Rids the counters of what no longer matters, every now and then.
fn sweep(context: &PluginContext, limits: Arc<[Limit]>) {
    let clock = context.clock().clone();
    context.spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            let (limits, now) = (limits.clone(), clock.now());
            let swept = tokio::task::spawn_blocking(move || {
                for limit in limits.iter() {
                    limit.counted.table.sweep(&limit.algorithm, limit.counted.time(&limit.algorithm, now));
                }
            });
            if swept.await.is_err() {
                return;
            }
        }
    });
}

fn finding(redis: Option<&Shared>, quotas: &[Arc<Counted>]) -> Finding {
    let away = redis.is_some_and(|redis| !redis.is_there());
    let failing = quotas.iter().any(|quota| quota.ledger.as_ref().is_some_and(|ledger| ledger.is_failing()));
    match (away, failing) {
        (false, false) => Finding::healthy(),
        (true, _) => Finding::degraded("Redis is away: limits are not counted"),
        (false, true) => Finding::degraded("the database is away: quotas are kept in memory"),
    }
}
