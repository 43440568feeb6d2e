//! In: some entries to a commit, each commit whole or not at all.

use axum::{extract::Request, response::Response};
use buntime_core::ErrorKind;
use buntime_keyval::{Atomic, Change, Committed, Mutation, Versionstamp};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    ops::Op,
    rest::{
        LARGEST, Refused,
        asked::{expires_in, key},
        atomic::given,
        caller::Caller,
        keys::value,
        sent, show,
    },
};

/// Entries and bytes of one commit.
const ENTRIES: usize = 500;
const BYTES: usize = 1 << 20;

/// One entry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    #[serde(default)]
    key: Json,
    #[serde(default, deserialize_with = "given")]
    value: Option<Json>,
    expires_at: Option<u64>,
    expires_in: Option<Json>,
    /// What it had where it comes from.
    #[serde(default, rename = "versionstamp")]
    _had: Json,
}

pub(in crate::rest) async fn import(caller: Caller, request: Request) -> Result<Response, Refused> {
    let mut import = Import { caller: &caller, write: Atomic::new(), size: 0, line: 0, done: 0, last: None };
    let importing = async {
        let mut body = request.into_body().into_data_stream();
        // What is not a whole line yet, and how far it has been looked through.
        let (mut rest, mut looked) = (BytesMut::new(), 0);
        while let Some(piece) = body.next().await {
            rest.extend_from_slice(&piece.map_err(|_| Refused::malformed("The body broke off"))?);
            while let Some(end) = rest.iter().skip(looked).position(|byte| *byte == b'\n') {
                let line = rest.split_to(looked + end + 1);
                looked = 0;
                import.line(&line).await?;
            }
            looked = rest.len();
            if rest.len() > LARGEST {
                let words = format!("The line is too large (max {LARGEST} bytes)");
                return Err(Refused::new(ErrorKind::PayloadTooLarge, words));
            }
        }
        import.line(&rest).await?;
        import.commit().await
    };
    let imported = caller.ops().time(Op::Import, importing).await;
    let (line, done) = (import.line, import.done);
    imported.map_err(|refused| {
        refused.with_words(|words| format!("Line {line}: {words}. {done} entries before it were imported"))
    })?;
    let versionstamp = import.last.map(|versionstamp| versionstamp.to_string());
    Ok(show::answer(json!({ "ok": true, "imported": done, "versionstamp": versionstamp })))
}

/// An import under way.
struct Import<'a> {
    caller: &'a Caller,
    write: Atomic,
    /// Bytes of what is to be written.
    size: usize,
    /// Which line it is.
    line: u64,
    /// Entries that were written.
    done: usize,
    last: Option<Versionstamp>,
}

impl Import<'_> {
    async fn line(&mut self, line: &[u8]) -> Result<(), Refused> {
        self.line += 1;
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let line: Line = sent::object(line)?;
        let now = self.caller.now();
        let key = key(&line.key)?;
        let value = value(line.value.as_ref().ok_or_else(|| Refused::malformed("value is required"))?, now)?;
        let expires_at = match expires_in(line.expires_in.as_ref())? {
            Some(stays) => Some(now.saturating_add(stays)),
            None => line.expires_at,
        };
        // What was to be gone by now is not brought back.
        if expires_at.is_some_and(|at| at <= now) {
            return Ok(());
        }
        self.size += key.len() + value.size();
        self.write.mutations.push(Mutation { key, change: Change::Set(value), expires_at });
        if self.write.mutations.len() >= ENTRIES || self.size >= BYTES {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Refused> {
        self.size = 0;
        let write = std::mem::take(&mut self.write);
        let entries = write.mutations.len();
        if entries > 0
            && let Committed::Yes(versionstamp) = self.caller.kv.commit(write).await?
        {
            self.done += entries;
            self.last = Some(versionstamp);
        }
        Ok(())
    }
}
