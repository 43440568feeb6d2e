//! The administrative API: which rules there are, adding, changing and ordering those of the database, which upstreams
//! are offered as fragments, and how every upstream is.

mod openapi;
mod rules;
mod shown;
mod upstreams;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, patch, put},
};

use crate::dynamic::Book;

pub(crate) use openapi::openapi;

/// What stands in the place of a secret.
pub(crate) const MASK: &str = "***";

/// The routes below the plugin's base.
pub(crate) fn router(book: Arc<Book>) -> Router {
    Router::new()
        .route("/api/rules", get(rules::list).post(rules::add))
        .route("/api/rules/reorder", put(rules::reorder).post(rules::reorder))
        .route("/api/rules/{id}", get(rules::one).put(rules::edit).delete(rules::remove))
        .route("/api/rules/{id}/toggle", patch(rules::toggle).put(rules::toggle).post(rules::toggle))
        .route("/api/fragments", get(rules::fragments))
        .route("/api/upstreams", get(upstreams::list))
        .route("/api/upstreams/{cluster}", get(upstreams::one).put(upstreams::change))
        .route("/api/upstreams/{cluster}/{target}", put(upstreams::change_target))
        .with_state(book)
}
