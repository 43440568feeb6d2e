//! The admin API: what runs, how it is configured, changing both. Every route stands behind its gate; only the page
//! about the API and signing in are open.

mod attempts;
mod body;
mod config;
mod explain;
pub(crate) mod failure;
pub(crate) mod guard;
mod plugins;
mod session;
pub(crate) mod sessions;
pub(crate) mod token;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post, put},
};
use buntime_core::Access;
use http::StatusCode;
use serde_json::json;

use crate::{
    gateway::{Shared, answer, exchange::matched, gate::Gate},
    keeper::Keeper,
    openapi, pages,
};

/// What the handlers share.
pub(crate) struct Admin {
    pub(crate) shared: Arc<Shared>,
    pub(crate) keeper: Arc<Keeper>,
}

/// The routes, relative to `/api`, each behind its gate.
pub(crate) fn router(admin: Admin) -> Router {
    let guard = Arc::clone(&admin.shared.guard);
    let label = matched("api", None);
    let gate = |access| Gate::new(access, Arc::clone(&guard), Arc::clone(&label), "/api".into());
    let admin = Arc::new(admin);
    let open = Router::new()
        .route("/docs", get(docs))
        .route("/session", post(session::open).get(session::show).delete(session::end))
        .with_state(Arc::clone(&admin))
        .merge(pages::assets());
    let guarded = Router::new()
        .route("/plugins", get(plugins::list).post(plugins::add))
        .route("/plugins/sequence", put(plugins::arrange))
        .route("/plugins/{name}", get(plugins::one).put(plugins::edit).delete(plugins::remove))
        .route("/plugins/{name}/restart", post(plugins::restart))
        .route("/config", get(config::effective))
        .route("/config/reload", post(config::reload))
        .route("/config/schema", get(config::schema))
        .route("/routes", get(routes))
        .route("/explain", get(explain::explain))
        .route("/openapi.json", get(document))
        .with_state(admin);
    // The last says what happens where nothing matches; here that is nobody's business but an administrator's.
    open.layer(gate(Access::Public)).merge(guarded.layer(gate(Access::Admin)))
}

async fn routes(State(admin): State<Arc<Admin>>) -> Response {
    let routes = admin.shared.routes.current().list();
    answer::json(StatusCode::OK, &json!({ "count": routes.len(), "routes": routes }))
}

async fn document(State(admin): State<Arc<Admin>>) -> Response {
    answer::json(StatusCode::OK, &openapi::document(&admin.shared.host.live()))
}

async fn docs(State(admin): State<Arc<Admin>>) -> Response {
    let live = admin.shared.host.live();
    pages::docs(&live.plugins(), &openapi::document(&live))
}
