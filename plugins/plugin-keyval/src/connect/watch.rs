//! Watches: a stream of messages, each behind its length in four bytes, little-endian; a length of zero is a sign of life.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use buntime_keyval::{Entry, Key, Result, engine::Watch, wire};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use http::{StatusCode, header};
use prost::Message;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    answer::{Refused, Whole, read},
    caller::Entered,
};
use crate::face::Face;

pub(super) async fn watch(
    State(face): State<Face>,
    Entered(namespace): Entered,
    Whole(body): Whole,
) -> std::result::Result<Response, Refused> {
    let asked: wire::Watch = read(&body)?;
    let keys = asked.keys.into_iter().map(|key| Key::from_bytes(key.key)).collect::<Result<Vec<_>>>()?;
    let permit = face.watches.clone().try_acquire_owned();
    let permit = permit.map_err(|_| {
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, "Too many watches are open; close one, or raise maxWatches")
    })?;
    let live = Live { watch: namespace.watch(keys)?, face, _permit: permit };
    let frames =
        stream::unfold(
            live,
            |mut live| async move { live.next().await.map(|frame| (Ok::<_, Infallible>(frame), live)) },
        );
    Ok((
        [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")],
        Body::from_stream(frames),
    )
        .into_response())
}

/// A watch until its client leaves, the plugin stops, or the store fails: then the client comes back.
struct Live {
    watch: Watch,
    face: Face,
    _permit: OwnedSemaphorePermit,
}

impl Live {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            told = self.watch.next() => match told {
                Ok(told) => Some(frame(told)),
                Err(error) => {
                    tracing::warn!(%error, "a watch ended");
                    None
                }
            },
            () = tokio::time::sleep(self.face.keep_alive) => Some(Bytes::from_static(&[0; 4])),
            () = self.face.stopping.cancelled() => None,
        }
    }
}

fn frame(told: Vec<(bool, Option<Entry>)>) -> Bytes {
    let key = |(changed, entry): (bool, Option<Entry>)| wire::WatchKeyOutput {
        changed,
        entry_if_changed: entry.filter(|_| changed).map(wire::KvEntry::from),
    };
    let output =
        wire::WatchOutput { status: wire::ReadStatus::Success.into(), keys: told.into_iter().map(key).collect() };
    let length = output.encoded_len();
    let mut frame = BytesMut::with_capacity(4 + length);
    // Ten entries at the most.
    frame.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
    frame.extend_from_slice(&output.encode_to_vec());
    frame.freeze()
}
