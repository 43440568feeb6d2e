//! Query parameters whose mistakes are told as every other error is.

use axum::extract::{FromRequestParts, rejection::QueryRejection};
use buntime_core::{Error, ErrorKind};
use http::request::Parts;
use serde::de::DeserializeOwned;

/// Reads the query; what is unknown or wrong is a 400 that says so.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let read = read
            .map_err(|rejection: QueryRejection| Error::new(ErrorKind::Malformed).with_detail(rejection.body_text()))?;
        Ok(Self(read.0))
    }
}
