//! The runtime's own pages: what runs here, its plugins, signing in, browsing the API. See `buntime-ui` for the shell
//! around them and the policy that browsers hold them to.

mod docs;
mod home;
mod plugins;
mod sign_in;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
    routing::get,
};
use buntime_core::{Access, host::report::PluginReport};
use buntime_ui::{File, Link, Nav, Page, Runtime, Shell};
use serde_json::Value;

use crate::{
    admin::guard::Guard,
    gateway::{Shared, exchange::matched, gate::Gate},
};

/// Where the plugins' page is; the pages of plugins are below it.
pub(crate) const PLUGINS: &str = "/p/";
/// Where one signs in and out.
const SESSION: &str = "/api/session";

static SHELL: LazyLock<Shell> = LazyLock::new(|| {
    let files = [
        File::new("home.js", include_str!("home.js")),
        File::new("explain.js", include_str!("explain.js")),
        File::new("plugins.js", include_str!("plugins.js")),
        File::new("settings.js", include_str!("settings.js")),
    ];
    Shell::new("/api", &files)
});

/// What the pages of plugins are told of this program.
pub(crate) fn runtime() -> Runtime {
    Runtime {
        first: vec![Link::new("Overview", "/"), Link::new("Plugins", PLUGINS)],
        last: vec![Link::new("API", "/api/docs")],
        session: Some(SESSION.to_owned()),
    }
}

/// Style and modules, relative to `/api`.
pub(crate) fn assets() -> Router {
    SHELL.assets()
}

/// The plugins' page behind its gate, relative to `/p`.
pub(crate) fn router(shared: &Arc<Shared>, guard: &Arc<Guard>) -> Router {
    let gate = Gate::new(Access::Admin, Arc::clone(guard), matched("plugins", None), "/p".into());
    Router::new().route("/", get(list)).with_state(Arc::clone(shared)).layer(gate)
}

async fn list(State(shared): State<Arc<Shared>>) -> Response {
    show(&shared.host.live().plugins(), &plugins::page())
}

/// What runs here.
pub(crate) fn home(plugins: &[PluginReport]) -> Response<Body> {
    show(plugins, &home::page(plugins))
}

/// A form for the admin token. `target` is where it leads; `message` says what was wrong the last time.
pub(crate) fn sign_in(target: &str, message: Option<&str>) -> Response<Body> {
    let mut response = show(&[], &sign_in::page(target, message));
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Every operation of an OpenAPI document.
pub(crate) fn docs(plugins: &[PluginReport], openapi: &Value) -> Response<Body> {
    show(plugins, &docs::page(openapi))
}

fn show(plugins: &[PluginReport], page: &Page) -> Response<Body> {
    SHELL.page(&Nav::of(Some(&runtime()), plugins), page)
}
