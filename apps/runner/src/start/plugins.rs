//! What runs with a listener or without one: databases, services, plugins.

use std::sync::Arc;

use buntime_config::Loaded;
use buntime_core::{
    Host,
    services::{BaseDir, Services},
    upstreams::Upstreams,
};
use buntime_database::Registry;
use buntime_http::server::ServerStats;
use buntime_ssrf::Outbound;
use buntime_upstream::Clusters;
use serde_json::Value;

use super::{StartError, config_error};
use crate::{
    admin::guard::Guard,
    databases,
    explain::Asked,
    gateway::{frozen::Frozen, in_flight::InFlight},
    keeper::{Current, Origin},
    overlay::store::Store,
    pages, program,
    services::Opening,
};

/// Plugins that run, and what keeps them in force.
pub(super) struct Started {
    pub(super) host: Host,
    pub(super) store: Store,
    pub(super) opening: Opening,
    pub(super) current: Current,
}

/// Starts the plugins of a configuration, with what the admin API changed.
pub(super) async fn start(
    origin: &Origin,
    loaded: &Arc<Loaded>,
    registry: &Arc<Registry>,
    stats: &Arc<ServerStats>,
) -> Result<Started, StartError> {
    let config = &loaded.config;
    let data_error = |source| StartError::Data { path: config.data_dir.clone(), source };
    let store = Store::open(registry.get(None)?).await.map_err(data_error)?;
    let overlay = store.load().await.map_err(data_error)?;
    let overlay = overlay.without_unknown(&origin.catalog);
    let opening = Opening::new();
    let services = match opening.open(config, None) {
        Ok(services) => services,
        Err(mut found) => {
            // With everything else that `check` would find.
            let program = program::program(config, &config.plugins, &origin.catalog);
            found.extend(program::preflight(loaded, &origin.catalog, &program, &*origin.env).await);
            return Err(config_error(loaded.diagnostics(found)));
        }
    };
    program::tell(&loaded.diagnostics(services.warnings(config)));
    services.publish(&opening);
    let current = Current { since: overlay.version, overlay, services, loaded: Arc::clone(loaded) };

    let services = Services::default();
    services.provide::<Registry>(Arc::clone(registry));
    services.provide::<Clusters>(Arc::clone(opening.clusters()));
    services.provide::<dyn Upstreams>(Arc::clone(opening.clusters()) as Arc<dyn Upstreams>);
    services.provide::<ServerStats>(Arc::clone(stats));
    services.provide(Arc::new(BaseDir(loaded.dir.clone())));
    services.provide::<Outbound>(Arc::clone(opening.outbound()));
    services.provide(Arc::new(pages::runtime()));
    let builder = Host::builder().catalog(origin.catalog.clone()).data_dir(&config.data_dir).services(services);
    let host = builder.program(current.program(&origin.catalog)).start().await.map_err(|errors| {
        opening.end();
        config_error(loaded.diagnostics(program::problems(&errors, config, &current.overlay)))
    })?;
    Ok(Started { host, store, opening, current })
}

/// What would happen to a request, without a listener: the plugins are started, asked, and stopped.
pub(crate) async fn explain(origin: &Origin, asked: &Asked) -> Result<Value, StartError> {
    let loaded = Arc::new(origin.load().map_err(config_error)?);
    let registry = Arc::new(databases::open(&loaded, &*origin.env).await?);
    let started = start(origin, &loaded, &registry, &Arc::default()).await;
    let result = match started {
        Ok(Started { host, opening, .. }) => {
            let frozen = Frozen::new(host.live(), &Arc::new(Guard::default()), InFlight::default());
            let explained = asked.explain(&frozen, &loaded.config).await;
            drop(frozen);
            host.stop(loaded.config.server.shutdown_grace.0).await;
            opening.end();
            explained.map_err(StartError::Explain)
        }
        Err(error) => Err(error),
    };
    registry.close().await;
    result
}
