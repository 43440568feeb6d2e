//! Reads and writes.

use axum::{extract::State, response::Response};
use buntime_keyval::{Atomic, Namespace, Range, Result, engine::Committed, wire};
use bytes::Bytes;
use prost::Message;

use super::{
    answer::{Refused, Whole, protobuf, read},
    caller::Entered,
};
use crate::{face::Face, ops::Op};

pub(super) async fn snapshot_read(
    State(face): State<Face>,
    Entered(namespace): Entered,
    Whole(body): Whole,
) -> std::result::Result<Response, Refused> {
    let asked: wire::SnapshotRead = read(&body)?;
    let ranges = asked.ranges.into_iter().map(Range::try_from).collect::<Result<Vec<_>>>()?;
    let found = face.ops.time(Op::SnapshotRead, found(&namespace, &ranges)).await?;
    Ok(protobuf(found))
}

/// The answer. Most ask for one range, whose entries are written as they are read.
async fn found(namespace: &Namespace, ranges: &[Range]) -> Result<Bytes> {
    if let [range] = ranges {
        // Of a list: a hundred small entries, which Deno asks for at a time.
        let mut found = if range.single() { wire::FoundRange::new() } else { wire::FoundRange::with_room(16 << 10) };
        namespace.snapshot_into(range, &mut found).await?;
        return Ok(found.answer());
    }
    Ok(wire::found(&namespace.snapshot(ranges).await?))
}

pub(super) async fn atomic_write(
    State(face): State<Face>,
    Entered(namespace): Entered,
    Whole(body): Whole,
) -> std::result::Result<Response, Refused> {
    let write = Atomic::try_from(read::<wire::AtomicWrite>(&body)?)?;
    let output = match face.ops.time(Op::AtomicWrite, namespace.commit(write)).await? {
        Committed::Yes(versionstamp) => wire::AtomicWriteOutput {
            status: wire::WriteStatus::Success.into(),
            versionstamp: versionstamp.as_bytes().to_vec(),
            failed_checks: Vec::new(),
        },
        Committed::No(failed) => wire::AtomicWriteOutput {
            status: wire::WriteStatus::CheckFailure.into(),
            versionstamp: Vec::new(),
            failed_checks: failed.into_iter().filter_map(|at| u32::try_from(at).ok()).collect(),
        },
    };
    Ok(protobuf(output.encode_to_vec().into()))
}
