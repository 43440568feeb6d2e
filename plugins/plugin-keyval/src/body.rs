//! Bodies, read whole.

use axum::body::Body;
use buntime_core::ErrorKind;
use buntime_http::body::{BodyError, collect};
use buntime_keyval::{Exceeded, What};
use bytes::Bytes;

/// The whole body, up to `most` bytes.
///
/// # Errors
/// The limit that it is over, which may be the server's; `None` if it broke.
pub(crate) async fn whole(body: Body, most: usize) -> Result<Bytes, Option<Exceeded>> {
    collect(body, most as u64).await.map_err(|error| {
        let most = match BodyError::find(&error) {
            Some(BodyError::TooLarge { limit }) => usize::try_from(*limit).unwrap_or(usize::MAX),
            _ => most,
        };
        (error.kind() == ErrorKind::PayloadTooLarge).then_some(Exceeded { what: What::Body, most })
    })
}

#[cfg(test)]
mod tests {
    use buntime_http::body::limited;

    use super::*;

    #[tokio::test]
    async fn the_limit_that_was_passed_is_named() {
        let over = |most| Err(Some(Exceeded { what: What::Body, most }));
        assert_eq!(whole(Body::from("abcd"), 4).await, Ok(Bytes::from("abcd")));
        assert_eq!(whole(Body::from("abcd"), 3).await, over(3));
        assert_eq!(whole(limited(Body::from("abcd"), 2), 3).await, over(3), "said beforehand");
        assert_eq!(whole(limited(Body::from("abcd"), 2), 9).await, over(2), "the server's");
    }
}
