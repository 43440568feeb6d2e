//! The plugin: opens the store and offers its face.

use std::sync::Arc;

use async_trait::async_trait;
use buntime_core::{Access as Who, BoxError, Capability, Finding, Metadata, Plugin, Scope, SettingsSpec, Startup};
use buntime_database::Registry;
use buntime_keyval::{Engine, Options};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore};

use crate::{access::Access, config::KeyvalSettings, connect, face::Face, ops::Ops, page, rest};

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
        let face = Face {
            engine,
            access: Access::new(settings.access_tokens),
            base: startup.base().into(),
            watches: Arc::new(Semaphore::new(settings.max_watches)),
            keep_alive: *settings.keep_alive,
            stopping: startup.draining().clone(),
            ops: startup.keep("ops", Ops::new),
            usage: Arc::default(),
        };
        let measured = face.clone();
        startup.measure(move || rest::families(measured.clone()));
        let value = settings.max_value.as_usize();
        startup.routes(Who::Admin, rest::administration(face.clone(), value));
        startup.routes(Who::Data, connect::router(face.clone()).merge(rest::router(face, value)));
        buntime_ui::register(startup, Who::Admin, page::page());
        startup.openapi(openapi());
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

fn openapi() -> Value {
    let metadata = |summary: &str| {
        json!({ "post": {
            "summary": summary,
            "requestBody": { "content": { "application/json": { "schema": { "type": "object",
                "properties": { "supportedVersions": { "type": "array", "items": { "type": "integer" } } } } } } },
            "responses": {
                "200": { "description": "Where the data path is", "content": { "application/json": { "schema": { "type": "object" } } } },
                "401": { "description": "No access token, or another" },
                "403": { "description": "No tokens are configured, and this is no direct connection from this machine" } } } })
    };
    let data = |summary: &str, answer: &str| {
        json!({ "post": {
            "summary": summary,
            "requestBody": { "content": { "application/x-protobuf": { "schema": { "type": "string", "format": "binary" } } } },
            "responses": { "200": { "description": answer }, "400": { "description": "It makes no sense" },
                "413": { "description": "Over a limit, which is named" }, "507": { "description": "No space is left" } } } })
    };
    json!({ "paths": {
        "/": metadata("KV Connect: the exchange of metadata"),
        "/ns/{namespace}": metadata("KV Connect, of another namespace"),
        "/connect/{namespace}/snapshot_read": data("Entries of ranges, of one moment", "com.deno.kv.datapath.SnapshotReadOutput"),
        "/connect/{namespace}/atomic_write": data("Checks, mutations and messages, all or none", "com.deno.kv.datapath.AtomicWriteOutput"),
        "/connect/{namespace}/watch": data("How keys are, whenever one changes", "A stream of com.deno.kv.datapath.WatchOutput"),
    } })
}
