//! The REST face: `/api` below the plugin's base, and `/ns/<name>/api` for the other namespaces.
//!
//! Every route is a handler that takes a [`Caller`]: who may, the namespace, and what all share. What clients write is
//! read in `asked`, what they are told is written in `show`, and whatever goes wrong becomes a [`Refused`].

mod asked;
mod atomic;
mod caller;
mod change;
mod delete;
mod events;
mod keys;
mod list;
mod metrics;
mod namespaces;
mod preconditions;
mod queue;
mod refused;
mod scan;
mod search;
mod sent;
mod show;
mod transfer;
mod tree;
mod watch;

use std::sync::Arc;

use axum::{
    Router,
    routing::{any, get, post},
};
use buntime_keyval::{Limits, Namespace};
use tokio::sync::OnceCell;

pub(crate) use self::{atomic::MUTATIONS, metrics::families, queue::Unsettled};

use self::refused::Refused;
use crate::{
    access::Access,
    face::{Face, Shared},
};

/// The largest body, in bytes, of all but imports, which are streams.
const LARGEST: usize = 8 << 20;
/// Entries of one answer.
const MOST: u32 = 1000;
/// Entries of one answer, if nobody says how many.
const SOME: u32 = 100;

/// What each request is given.
type Rest = Arc<Api>;

/// What the routes share.
#[derive(Debug)]
struct Api {
    face: Face,
    limits: Arc<Limits>,
    /// The namespace that most ask for.
    default: OnceCell<Arc<Namespace>>,
}

/// Limits of this face: Deno's, but for what the original's clients need more of.
fn limits(value: usize) -> Limits {
    Limits {
        value,
        // One more than is answered shows whether there are more.
        entries: MOST as usize + 1,
        checks: 1000,
        total: 4 << 20,
        total_keys: 2 << 20,
        watched: 100,
        backoff_steps: 20,
        backoff: 24 * 60 * 60 * 1000,
        ..Limits::DENO
    }
}

/// `value`: bytes that a value may have.
pub(crate) fn router(face: Face, value: usize) -> Router {
    let rest: Rest = Arc::new(Api { face, limits: Arc::new(limits(value)), default: OnceCell::new() });
    api("/api").merge(api("/ns/{namespace}/api")).with_state(rest)
}

/// All routes at that path. None is nested: what a nest costs, each request pays.
fn api(at: &str) -> Router<Rest> {
    entries(at)
        .merge(queue::router(at))
        .merge(search::router(at))
        .merge(watch::router(at))
        .route(&format!("{at}/tree"), get(tree::children))
        .route(&format!("{at}/export"), get(transfer::export::export))
        .route(&format!("{at}/import"), post(transfer::import::import))
        .route(&format!("{at}/metrics"), get(metrics::json))
        .route(&format!("{at}/metrics/prometheus"), get(metrics::prometheus))
        .route(&format!("{at}/{{*path}}"), any(refused::nothing_here))
        .method_not_allowed_fallback(refused::another_method)
}

/// The same for administrators, below `/admin`, and the namespaces themselves. Whoever mounts it says who they are.
pub(crate) fn administration(face: &Face, value: usize) -> Router {
    let face: Face = Arc::new(Shared { access: Access::Judged, ..Shared::clone(face) });
    Router::new().nest("/admin", namespaces::router(face.clone()).merge(router(face, value)))
}

fn entries(at: &str) -> Router<Rest> {
    let at = |path: &str| format!("{at}{path}");
    let key = || get(keys::get).put(keys::put).delete(delete::key);
    Router::new()
        .route(&at("/keys"), get(list::list))
        // What stands beside the keys is a key too, for the methods it does not take itself.
        .route(&at("/keys/list"), key().post(list::list_by))
        .route(&at("/keys/count"), get(list::count).put(keys::put).delete(delete::key).post(list::count_by))
        .route(&at("/keys/paginate"), get(list::paginate).put(keys::put).delete(delete::key).post(list::paginate_by))
        .route(&at("/keys/batch"), key().post(list::batch))
        .route(&at("/keys/delete-batch"), key().post(delete::batch))
        .route(&at("/keys/{*path}"), key())
        .route(&at("/atomic"), post(atomic::commit))
}
