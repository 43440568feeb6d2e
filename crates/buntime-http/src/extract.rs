//! What routers of plugins take out of requests, with mistakes told as every other error is.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::QueryRejection},
};
use buntime_core::{Error, ErrorKind};
use http::{header, request::Parts};
use serde::de::DeserializeOwned;

/// The query; what is unknown or wrong is a 400 that says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let read = read
            .map_err(|rejection: QueryRejection| Error::new(ErrorKind::Malformed).with_detail(rejection.body_text()))?;
        Ok(Self(read.0))
    }
}

/// The body as JSON, which says it is JSON or does not say. Its limit is that of the router, `DefaultBodyLimit`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if let Some(kind) = request.headers().get(header::CONTENT_TYPE) {
            let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            let essence = essence.trim().to_ascii_lowercase();
            if essence != "application/json" && !essence.ends_with("+json") {
                return Err(Error::new(ErrorKind::UnsupportedMediaType).with_detail("Send application/json"));
            }
        }
        let body =
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status().as_u16() {
                413 => Error::new(ErrorKind::PayloadTooLarge),
                _ => Error::new(ErrorKind::Malformed).with_detail("The body could not be read"),
            })?;
        let read = axum::Json::<T>::from_bytes(&body);
        Ok(Self(read.map_err(|rejection| Error::new(ErrorKind::Malformed).with_detail(rejection.body_text()))?.0))
    }
}
