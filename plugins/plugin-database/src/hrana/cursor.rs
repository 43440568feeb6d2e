//! A batch whose rows are sent as they are made: one line of JSON for each entry. However many rows a batch has, no more
//! than one step's are in memory.

use std::{convert::Infallible, iter::Enumerate, vec::IntoIter};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use buntime_database::Value;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use serde::Serialize;

use super::{
    condition::Done,
    stream::{Output, cells},
    streams::Lease,
    wire::{Batch, Entry, Opened, Step},
    wrong::Wrong,
};
use crate::limits::Limits;

/// About how many bytes are sent at a time.
const PIECE: usize = 32 << 10;

/// A batch under way. Dropped, its stream is ended.
struct Cursor {
    lease: Lease,
    limits: Limits,
    steps: Enumerate<IntoIter<Step>>,
    done: Vec<Done>,
    /// Of the step that is being sent.
    rows: Option<(usize, Output, IntoIter<Vec<Value>>)>,
    piece: Vec<u8>,
}

/// The answer.
pub(super) fn response(lease: Lease, batch: Batch, limits: Limits) -> Response {
    let mut cursor = Cursor {
        lease,
        limits,
        steps: batch.steps.into_iter().enumerate(),
        done: Vec::new(),
        rows: None,
        piece: Vec::with_capacity(PIECE),
    };
    let opened = Opened { baton: Some(cursor.lease.baton()), base_url: None };
    cursor.write(&opened);
    let pieces = stream::unfold(Some(cursor), |cursor| async move {
        let mut cursor = cursor?;
        let goes_on = cursor.fill().await;
        let piece = Bytes::from(std::mem::take(&mut cursor.piece));
        let next = if goes_on {
            Some(cursor)
        } else {
            // Before the client knows that this was all, it may ask again.
            cursor.lease.park();
            None
        };
        Some((Ok::<_, Infallible>(piece), next))
    });
    let mut response = Body::from_stream(pieces).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

impl Cursor {
    fn write(&mut self, line: &impl Serialize) {
        // Into memory, and of types that are always JSON.
        if serde_json::to_writer(&mut self.piece, line).is_ok() {
            self.piece.push(b'\n');
        }
    }

    /// Gathers a piece. `false`: it is the last.
    async fn fill(&mut self) -> bool {
        while self.piece.len() < PIECE {
            match self.rows.take() {
                Some((at, output, mut rows)) => match rows.next().map(cells) {
                    Some(Ok(row)) => {
                        self.write(&Entry::Row { row });
                        self.rows = Some((at, output, rows));
                    }
                    Some(Err(wrong)) => self.failed(at, wrong.though_done(output.affected)),
                    None => {
                        let Output { affected, last_insert_id, .. } = output;
                        self.write(&Entry::StepEnd { affected_row_count: affected, last_insert_rowid: last_insert_id });
                        self.done.push(Done::Ok);
                    }
                },
                None => {
                    let Some((at, step)) = self.steps.next() else { return false };
                    if !self.begin(at, step).await {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Runs a step. `false`: nothing more can be done.
    async fn begin(&mut self, at: usize, step: Step) -> bool {
        let wants_rows = step.stmt.want_rows != Some(false);
        let Some(stream) = self.lease.stream() else { return false };
        match stream.step(step, &self.done, &self.limits).await {
            Ok(None) => self.done.push(Done::Skipped),
            Ok(Some(Ok(mut output))) => {
                let rows = std::mem::take(&mut output.rows);
                self.write(&Entry::StepBegin { step: at, cols: std::mem::take(&mut output.cols) });
                let rows = if wants_rows { rows } else { Vec::new() };
                self.rows = Some((at, output, rows.into_iter()));
            }
            Ok(Some(Err(wrong))) => self.failed(at, wrong),
            Err(wrong) => {
                self.write(&Entry::Error { error: wrong.told() });
                return false;
            }
        }
        true
    }

    fn failed(&mut self, at: usize, wrong: Wrong) {
        self.write(&Entry::StepError { step: at, error: wrong.told() });
        self.done.push(Done::Error);
    }
}
