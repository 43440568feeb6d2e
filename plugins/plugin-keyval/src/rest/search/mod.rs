//! Indexes: declaring them, searching, and listing by them.

mod declare;
mod find;
mod sorted;

use axum::{
    Router,
    routing::{get, post},
};

use super::Rest;

pub(super) fn router(at: &str) -> Router<Rest> {
    let at = |path: &str| format!("{at}{path}");
    Router::new()
        .route(&at("/indexes"), get(declare::list).post(declare::declare).delete(declare::remove))
        .route(&at("/indexes/list"), post(sorted::list))
        .route(&at("/search"), get(find::search).post(find::search_by))
}
