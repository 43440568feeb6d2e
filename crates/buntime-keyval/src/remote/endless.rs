//! Answers that go on for ever: read piece by piece.

use std::time::Duration;

use axum::body::Body;
use bytes::BytesMut;
use http_body_util::BodyExt;

use crate::{Error, Result};

/// Reads more of an answer, behind what was read.
///
/// # Errors
/// [`Error::Unavailable`]: there is none, it ended, or nothing came for `silence`.
pub(super) async fn more(body: &mut Option<Body>, read: &mut BytesMut, silence: Duration) -> Result<()> {
    let lost = |why: &'static str| Error::Unavailable(why.into());
    let body = body.as_mut().ok_or_else(|| lost("there is no connection"))?;
    match tokio::time::timeout(silence, body.frame()).await {
        Ok(Some(Ok(frame))) => {
            if let Ok(data) = frame.into_data() {
                read.extend_from_slice(&data);
            }
            Ok(())
        }
        Ok(Some(Err(_)) | None) => Err(lost("it ended")),
        Err(_) => Err(lost("nothing was heard for too long")),
    }
}
