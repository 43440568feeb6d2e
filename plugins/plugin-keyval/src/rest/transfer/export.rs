//! Out: entry by entry, in the order of keys. What changes meanwhile may be in it as it was or as it is.

use std::time::Instant;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use buntime_core::ErrorKind;
use buntime_keyval::{Entry, rest::EntryJson};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use serde::Deserialize;

use super::NDJSON;
use crate::{
    ops::Op,
    rest::{
        Refused,
        asked::key_path,
        caller::Caller,
        scan::{Selection, Walk},
        sent::Asked,
    },
};

/// What is exported; keys are paths.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct Which {
    prefix: Option<String>,
    start: Option<String>,
    end: Option<String>,
}

pub(in crate::rest) async fn export(caller: Caller, Asked(which): Asked<Which>) -> Result<Response, Refused> {
    let path = |path: Option<String>| path.as_deref().map(key_path).transpose();
    let selection = Selection {
        prefix: path(which.prefix)?.unwrap_or_default(),
        start: path(which.start)?,
        end: path(which.end)?,
        ..Selection::default()
    };
    let walk = Walk::new(selection.range()?);
    let lines = stream::try_unfold((caller, walk, Instant::now()), |(caller, mut walk, begun)| async move {
        let step = tokio::select! {
            step = walk.next(&caller.kv) => step,
            () = caller.rest.face.stopping.cancelled() => {
                Err(buntime_keyval::Error::Closed.into())
            }
        };
        if step.as_ref().is_ok_and(|step| !step.is_empty()) {
            return step.and_then(|step| Ok(Some((lines(&step)?, (caller, walk, begun)))));
        }
        caller.ops().count(Op::Export, begun.elapsed(), step.is_err());
        // A stream that ends like this is not taken for whole.
        step.map(|_| None)
    });
    let lines = Body::from_stream(futures_util::TryStreamExt::map_err(lines, |refused: Refused| {
        std::io::Error::other(refused.words().to_owned())
    }));
    Ok(([(header::CONTENT_TYPE, NDJSON), (header::CACHE_CONTROL, "no-store")], lines).into_response())
}

fn lines(entries: &[Entry]) -> Result<Bytes, Refused> {
    let mut lines = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut lines, &EntryJson::new(entry).with_expiry())
            .map_err(|error| Refused::new(ErrorKind::Internal, error.to_string()))?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}
