//! Atomic writes: checks, mutations and messages, all in one commit or none.

use axum::response::Response;
use buntime_keyval::{Atomic, Change, Check, Mutation, engine::Committed};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    Refused,
    asked::{expires_in, key},
    caller::Caller,
    change::{How, extend, reckon},
    keys::value,
    queue::message::{self, Options},
    sent::Sent,
    show,
};
use crate::ops::Op;

const TYPES: &str = "set, delete, sum, min, max, append, prepend, enqueue";

/// What is sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Write {
    #[serde(default)]
    checks: Vec<Wanted>,
    #[serde(default)]
    mutations: Vec<Step>,
}

/// A key must be as it was seen; without a versionstamp there must be none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    key: Json,
    #[serde(default)]
    versionstamp: Option<String>,
}

/// A mutation, or a message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Step {
    #[serde(rename = "type")]
    kind: String,
    key: Option<Json>,
    // `null` is a value.
    #[serde(default, deserialize_with = "given")]
    value: Option<Json>,
    #[serde(alias = "expireIn")]
    expires_in: Option<Json>,
    options: Option<Options>,
}

/// What is there, even if it is null.
pub(super) fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(from).map(Some)
}

pub(super) async fn commit(caller: Caller, Sent(sent): Sent<Write>) -> Result<Response, Refused> {
    let write = sent.read(&caller)?;
    let committed = caller.time(Op::AtomicCommit, caller.kv.commit(write)).await?;
    Ok(match committed {
        Committed::Yes(versionstamp) => show::written(versionstamp),
        Committed::No(_) => show::answer(json!({ "ok": false })),
    })
}

impl Write {
    fn read(self, caller: &Caller) -> Result<Atomic, Refused> {
        let mut write = Atomic::new();
        for check in self.checks {
            let versionstamp = check.versionstamp.as_deref().map(str::parse).transpose()?;
            write.checks.push(Check { key: key(&check.key)?, versionstamp });
        }
        for (at, step) in self.mutations.into_iter().enumerate() {
            step.read(caller, &mut write)
                .map_err(|refused| refused.with_words(|words| format!("Invalid mutation at index {at}: {words}")))?;
        }
        Ok(write)
    }
}

impl Step {
    fn read(self, caller: &Caller, write: &mut Atomic) -> Result<(), Refused> {
        let now = caller.now();
        let (operand, most) = (self.value.as_ref(), caller.kv.limits().value);
        let missing = || Refused::malformed(format!("{} needs a value", self.kind));
        if self.options.is_some() && self.kind != "enqueue" {
            return Err(Refused::malformed("only enqueue has options"));
        }
        let change = match self.kind.as_str() {
            "set" => Change::Set(value(operand.ok_or_else(missing)?, now)?),
            "delete" => Change::Delete,
            "sum" => reckon(How::Sum, operand, most)?,
            "min" => reckon(How::Min, operand, most)?,
            "max" => reckon(How::Max, operand, most)?,
            "append" => extend(false, operand, now, most)?,
            "prepend" => extend(true, operand, now, most)?,
            "enqueue" => {
                let message = message::read(operand.ok_or_else(missing)?, self.options.unwrap_or_default(), now)?;
                write.messages.push(message);
                return Ok(());
            }
            other => return Err(Refused::malformed(format!("Unknown mutation type {other:?}; there are {TYPES}"))),
        };
        let key = key(self.key.as_ref().unwrap_or(&Json::Null))?;
        let expires_at = expires_in(self.expires_in.as_ref())?.map(|stays| now.saturating_add(stays));
        write.mutations.push(Mutation { key, change, expires_at });
        Ok(())
    }
}
