//! Atomic writes: checks, mutations and messages, all in one commit or none.
//!
//! All that an [`Atomic`] can say without functions can be said here, which is what the Rust client relies on; what the
//! original's clients send means what it means to the original.

use axum::response::Response;
use buntime_keyval::{Atomic, Change, Check, Mutation, SumLimits, engine::Committed};
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

/// What can be done.
pub(crate) const MUTATIONS: [&str; 9] =
    ["set", "setSuffixVersionstampedKey", "delete", "sum", "min", "max", "append", "prepend", "enqueue"];

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
    /// Milliseconds since the Unix epoch, instead.
    expires_at: Option<u64>,
    /// Does a number go with one of its own type only, as Deno has it?
    strict: Option<bool>,
    limits: Option<Bounds>,
    options: Option<Options>,
}

/// Between what a strict sum stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    min: Option<Json>,
    max: Option<Json>,
    /// Is a sum outside of them the limit, rather than an error?
    #[serde(default)]
    clamp: bool,
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
        Committed::No(failed) => show::answer(json!({ "ok": false, "failedChecks": failed })),
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
    fn read(mut self, caller: &Caller, write: &mut Atomic) -> Result<(), Refused> {
        let (now, most) = (caller.now(), caller.kv.limits().value);
        self.check()?;
        if self.kind == "enqueue" {
            let options = self.options.take().unwrap_or_default();
            write.messages.push(message::read(self.operand()?, options, now)?);
            return Ok(());
        }
        let change = match self.kind.as_str() {
            "set" => Change::Set(value(self.operand()?, now)?),
            "setSuffixVersionstampedKey" => Change::SetVersionstamped(value(self.operand()?, now)?),
            "delete" => Change::Delete,
            "sum" if self.is_strict() => Change::Sum(value(self.operand()?, now)?, self.bounds(now)?),
            "min" if self.is_strict() => Change::Min(value(self.operand()?, now)?),
            "max" if self.is_strict() => Change::Max(value(self.operand()?, now)?),
            "sum" => reckon(How::Sum, self.value.as_ref(), most)?,
            "min" => reckon(How::Min, self.value.as_ref(), most)?,
            "max" => reckon(How::Max, self.value.as_ref(), most)?,
            "append" => extend(false, self.value.as_ref(), now, most)?,
            "prepend" => extend(true, self.value.as_ref(), now, most)?,
            other => {
                let words = format!("Unknown mutation type {other:?}; there are {}", MUTATIONS.join(", "));
                return Err(Refused::malformed(words));
            }
        };
        let key = key(self.key.as_ref().unwrap_or(&Json::Null))?;
        let stays = expires_in(self.expires_in.as_ref())?;
        let expires_at = stays.map(|stays| now.saturating_add(stays)).or(self.expires_at);
        write.mutations.push(Mutation { key, change, expires_at });
        Ok(())
    }

    /// Does each of its members belong to it?
    fn check(&self) -> Result<(), Refused> {
        let wrong = match self.kind.as_str() {
            kind if self.options.is_some() && kind != "enqueue" => "only enqueue has options",
            kind if self.strict.is_some() && !matches!(kind, "sum" | "min" | "max") => {
                "only sum, min and max are strict"
            }
            kind if self.limits.is_some() && (kind != "sum" || !self.is_strict()) => "only a strict sum has limits",
            _ if self.expires_at.is_some() && self.expires_in.is_some() => "Write expiresIn or expiresAt, not both",
            "enqueue" if self.expires_at.is_some() => "a message does not expire",
            _ => return Ok(()),
        };
        Err(Refused::malformed(wrong))
    }

    fn is_strict(&self) -> bool {
        self.strict == Some(true)
    }

    fn operand(&self) -> Result<&Json, Refused> {
        self.value.as_ref().ok_or_else(|| Refused::malformed(format!("{} needs a value", self.kind)))
    }

    fn bounds(&self, now: u64) -> Result<SumLimits, Refused> {
        let Some(Bounds { min, max, clamp }) = &self.limits else { return Ok(SumLimits::default()) };
        let limit = |json: &Option<Json>| json.as_ref().map(|json| value(json, now)).transpose();
        Ok(SumLimits { least: limit(min)?, most: limit(max)?, clamp: *clamp })
    }
}
