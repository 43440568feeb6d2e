//! Indexes: declaring them, searching, and listing by them.

mod declare;
mod find;
mod sorted;

use axum::{
    Router,
    routing::{get, post},
};

use super::Rest;

pub(super) fn router() -> Router<Rest> {
    Router::new()
        .route("/indexes", get(declare::list).post(declare::declare).delete(declare::remove))
        .route("/indexes/list", post(sorted::list))
        .route("/search", get(find::search).post(find::search_by))
}
