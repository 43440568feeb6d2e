//! The plugin: opens the store and offers its face.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{Access as Who, BoxError, Capability, Finding, Metadata, Plugin, Scope, SettingsSpec, Startup};
use buntime_database::Registry;
use buntime_keyval::{Engine, Limits, Options};
use tokio::sync::{OnceCell, Semaphore};

use crate::{
    access::Access,
    config::KeyvalSettings,
    connect,
    face::{Face, Shared},
    openapi,
    ops::Ops,
    page, rest,
};

/// `@buntime/plugin-keyval`.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyvalPlugin;

#[async_trait]
impl Plugin for KeyvalPlugin {
    fn metadata(&self) -> Metadata {
        Metadata::new("@buntime/plugin-keyval", env!("CARGO_PKG_VERSION"))
            .with_description("A store of ordered keys and typed values that Deno.openKv uses as its own.")
            .with_capabilities([Capability::Routes])
            .with_optional_depends_on(["database"])
            .with_priority(30)
            .gateway_only()
    }

    fn settings(&self) -> SettingsSpec {
        SettingsSpec::of::<KeyvalSettings>()
    }

    async fn startup(&self, startup: &mut Startup) -> Result<(), BoxError> {
        let settings: KeyvalSettings = startup.settings()?;
        let engine = open(startup, &settings).await?;
        let checked = engine.clone();
        startup.health_check("plugin:keyval", move || {
            let engine = checked.clone();
            async move {
                match engine.check().await {
                    Ok(()) => Finding::healthy(),
                    Err(error) => Finding::unhealthy(error.to_string()),
                }
            }
        });
        startup.provide(Arc::new(engine.clone()))?;
        let face: Face = Arc::new(Shared {
            engine,
            deno: Arc::new(Limits::DENO),
            access: Access::new(settings.access_tokens),
            base: startup.base().into(),
            watches: Arc::new(Semaphore::new(settings.max_watches)),
            keep_alive: *settings.keep_alive,
            stopping: startup.draining().clone(),
            ops: startup.keep("ops", Ops::new),
            unsettled: rest::Unsettled::default(),
            usage: Arc::default(),
        });
        let measured = face.clone();
        startup.measure(move || rest::families(measured.clone()));
        let value = settings.max_value.as_usize();
        startup.routes(Who::Admin, rest::administration(&face, value));
        startup.routes(Who::Data, connect::router(face.clone()).merge(rest::router(face, value)));
        buntime_ui::register(startup, Who::Admin, page::page());
        startup.openapi(openapi::fragment());
        Ok(())
    }
}

/// The store of that database: one in a process, whatever instances come and go, so that all are told of its commits.
async fn open(startup: &Startup, settings: &KeyvalSettings) -> Result<Engine, BoxError> {
    let adapter = startup.require::<Registry>()?.get(settings.database.as_deref())?;
    let cell = startup.keep_at(&Scope::Gateway, &format!("store:{}", adapter.kind()), OnceCell::<Engine>::new);
    let options = Options { namespaces: settings.max_namespaces, ..Options::default() };
    Ok(cell.get_or_try_init(|| Engine::open(adapter, options)).await?.clone())
}
