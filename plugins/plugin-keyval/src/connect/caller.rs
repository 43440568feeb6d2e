//! Who asks on the data path, and for which namespace.

use axum::extract::{FromRequestParts, RawPathParams};
use buntime_keyval::Namespace;
use http::{StatusCode, request::Parts};

use super::answer::Refused;
use crate::face::Face;

/// The namespace of a request that may be made.
#[derive(Debug)]
pub(super) struct Entered(pub(super) Namespace);

impl FromRequestParts<Face> for Entered {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, face: &Face) -> Result<Self, Refused> {
        face.access.judge(&parts.headers, &parts.extensions)?;
        let said = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        if let Some(version) = said("x-denokv-version")
            && !matches!(version, "2" | "3")
        {
            return Err(Refused::new(StatusCode::BAD_REQUEST, "x-denokv-version is 2 or 3"));
        }
        let id = said("x-denokv-database-id").or_else(|| said("x-transaction-domain-id"));
        if id.is_some_and(|id| id != face.engine.uuid()) {
            return Err(Refused::new(
                StatusCode::BAD_REQUEST,
                "This is another database than the metadata said; ask for it anew",
            ));
        }
        let params = RawPathParams::from_request_parts(parts, face).await;
        let params = params.map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "The path is not UTF-8"))?;
        let named = params.iter().find(|(name, _)| *name == "namespace").map_or("", |(_, value)| value);
        Ok(Self(face.engine.namespace(named, face.deno.clone()).await?))
    }
}
