//! Things of a store as its REST face says them in JSON: a server writes them, a client reads them. The names are the
//! original's, beside which others may stand.

mod show;
mod write;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value as Json, json};

use crate::{
    DeadLetter, Delivery, Entry, Error, Hit, Index, IndexInfo, IndexKind, IndexState, Page, QueueStats, Result,
    Snippet, Tokenizer, Value, json as values,
    json::{key_from_json, key_to_json},
};

pub use self::{
    show::{EntryJson, HitJson, PageJson, ValueJson},
    write::{atomic_to_json, message_to_json},
};

/// Lists and objects within each other, of JSON that readers take; what an answer has around a value is less than the rest.
const DEEPEST: usize = 110;

/// A value. One that JSON cannot show, nested too deep or made by nobody we know, is its bytes: it must not keep others
/// from being shown.
pub fn value_to_json(value: &Value) -> Json {
    let shown = values::value_to_json(value).ok().filter(|json| is_within(json, DEEPEST));
    shown.unwrap_or_else(|| json!({ "__type": "v8", "value": BASE64_STANDARD.encode(value.to_data()) }))
}

/// A value as [`value_to_json`] has it, or any other; `now` as in [`values::value_from_json`].
///
/// # Errors
/// As [`values::value_from_json`].
pub fn value_from_json(json: &Json, now: Option<u64>) -> Result<Value> {
    let bytes = json.as_object().filter(|object| object.len() == 2 && object.get("__type") == Some(&"v8".into()));
    match bytes.and_then(|object| object.get("value")) {
        Some(bytes) => {
            let bytes = bytes.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
            let wrong = || Error::InvalidValue("the value of \"__type\" \"v8\" is a string in base64".into());
            Ok(Value::V8(bytes.ok_or_else(wrong)?.into()))
        }
        None => values::value_from_json(json, now),
    }
}

fn is_within(json: &Json, depth: usize) -> bool {
    let Some(left) = depth.checked_sub(1) else { return false };
    match json {
        Json::Array(list) => list.iter().all(|one| is_within(one, left)),
        Json::Object(object) => object.values().all(|one| is_within(one, left)),
        _ => true,
    }
}

/// An entry as [`EntryJson`] has it.
///
/// # Errors
/// [`Error::InvalidValue`] for what is none.
pub fn entry_from_json(json: &Json) -> Result<Entry> {
    Ok(Entry {
        key: key_from_json(member(json, "key")?)?,
        value: value_from_json(member(json, "value")?, None)?,
        versionstamp: text(json, "versionstamp")?.parse()?,
        expires_at: json.get("expiresAt").and_then(Json::as_u64),
    })
}

/// A message that was delivered.
pub fn delivery_to_json(delivery: &Delivery) -> Json {
    json!({
        "id": delivery.id,
        "value": value_to_json(&delivery.payload),
        "attempts": delivery.attempts,
        "maxAttempts": delivery.tries,
        "queue": delivery.queue,
        "priority": delivery.priority,
        "createdAt": delivery.created_at,
        "lease": delivery.lease,
        "leasedUntil": delivery.leased_until,
    })
}

/// A delivery as [`delivery_to_json`] has it.
///
/// # Errors
/// As [`entry_from_json`].
pub fn delivery_from_json(json: &Json) -> Result<Delivery> {
    Ok(Delivery {
        id: text(json, "id")?,
        queue: text(json, "queue")?,
        payload: value_from_json(member(json, "value")?, None)?,
        attempts: small(json, "attempts")?,
        tries: small(json, "maxAttempts")?,
        lease: text(json, "lease")?,
        leased_until: number(json, "leasedUntil")?,
        created_at: number(json, "createdAt")?,
        priority: u8::try_from(small(json, "priority")?).unwrap_or(u8::MAX),
    })
}

/// A dead letter.
pub fn dead_letter_to_json(letter: &DeadLetter) -> Json {
    json!({
        "id": letter.id,
        "originalId": letter.message,
        "queue": letter.queue,
        "value": value_to_json(&letter.payload),
        "errorMessage": letter.reason,
        "attempts": letter.attempts,
        "originalCreatedAt": letter.created_at,
        "failedAt": letter.failed_at,
    })
}

/// A dead letter as [`dead_letter_to_json`] has it.
///
/// # Errors
/// As [`entry_from_json`].
pub fn dead_letter_from_json(json: &Json) -> Result<DeadLetter> {
    Ok(DeadLetter {
        id: text(json, "id")?,
        message: text(json, "originalId")?,
        queue: text(json, "queue")?,
        payload: value_from_json(member(json, "value")?, None)?,
        reason: text(json, "errorMessage")?,
        attempts: small(json, "attempts")?,
        created_at: number(json, "originalCreatedAt")?,
        failed_at: number(json, "failedAt")?,
    })
}

/// What some queues hold together; dead letters count in the total, as in the original.
pub fn totals_to_json(queues: &[QueueStats]) -> Json {
    let sum = |of: fn(&QueueStats) -> u64| queues.iter().map(of).sum::<u64>();
    let (dlq, pending, processing) = (sum(|of| of.dead), sum(|of| of.pending), sum(|of| of.processing));
    json!({ "dlq": dlq, "pending": pending, "processing": processing, "total": dlq + pending + processing })
}

/// What one queue holds.
pub fn queue_to_json(stats: &QueueStats) -> Json {
    let mut shown = totals_to_json(std::slice::from_ref(stats));
    shown["queue"] = stats.queue.as_str().into();
    shown
}

/// What one queue holds, as [`queue_to_json`] has it.
///
/// # Errors
/// As [`entry_from_json`].
pub fn queue_from_json(json: &Json) -> Result<QueueStats> {
    Ok(QueueStats {
        queue: text(json, "queue")?,
        pending: number(json, "pending")?,
        processing: number(json, "processing")?,
        dead: number(json, "dlq")?,
    })
}

/// What declares an index.
pub fn index_to_json(index: &Index) -> Json {
    let mut shown = json!({ "prefix": key_to_json(&index.prefix), "kind": index.kind.name() });
    match &index.kind {
        IndexKind::Search { fields, tokenizer } => {
            shown["fields"] = json!(fields);
            shown["tokenize"] = tokenizer.name().into();
        }
        IndexKind::Sorted { name, fields, unique } => {
            shown["fields"] = json!(fields);
            shown["name"] = name.as_str().into();
            shown["unique"] = (*unique).into();
        }
        IndexKind::Count => {}
    }
    shown
}

/// An index that is declared, in the original's members and our own.
pub fn index_info_to_json(info: &IndexInfo) -> Json {
    let (state, reason) = match &info.state {
        IndexState::Building => ("building", None),
        IndexState::Ready => ("ready", None),
        IndexState::Failed(why) => ("failed", Some(why)),
    };
    let mut shown = json!({
        "id": info.id,
        "fields": info.index.kind.fields(),
        // The original's clients show it; no table has that name.
        "tableName": format!("kv_index_{}", info.id),
        "tokenize": null,
        "state": state,
        "entries": info.entries,
        "createdAt": info.created_at,
    });
    if let (Some(shown), Json::Object(index)) = (shown.as_object_mut(), index_to_json(&info.index)) {
        shown.extend(index);
    }
    if let Some(reason) = reason {
        shown["reason"] = reason.as_str().into();
    }
    shown
}

/// An index as [`index_info_to_json`] has it.
///
/// # Errors
/// As [`entry_from_json`].
pub fn index_info_from_json(json: &Json) -> Result<IndexInfo> {
    let fields = || list(json, "fields")?.iter().map(|field| said(field, "fields")).collect::<Result<Vec<_>>>();
    let kind = match text(json, "kind")?.as_str() {
        "search" => {
            let tokenizer = Tokenizer::from_name(&text(json, "tokenize")?).ok_or_else(|| unreadable("tokenize"))?;
            IndexKind::Search { fields: fields()?, tokenizer }
        }
        "sorted" => IndexKind::Sorted { name: text(json, "name")?, fields: fields()?, unique: flag(json, "unique")? },
        "count" => IndexKind::Count,
        _ => return Err(unreadable("kind")),
    };
    let state = match text(json, "state")?.as_str() {
        "building" => IndexState::Building,
        "ready" => IndexState::Ready,
        "failed" => IndexState::Failed(text(json, "reason")?),
        _ => return Err(unreadable("state")),
    };
    Ok(IndexInfo {
        id: member(json, "id")?.as_i64().ok_or_else(|| unreadable("id"))?,
        index: Index { prefix: key_from_json(member(json, "prefix")?)?, kind },
        state,
        entries: json.get("entries").and_then(Json::as_u64),
        created_at: number(json, "createdAt")?,
    })
}

/// A page as [`PageJson`] has it.
///
/// # Errors
/// As [`entry_from_json`].
pub fn page_from_json(json: &Json) -> Result<Page> {
    let entries = list(json, "entries")?.iter().map(entry_from_json).collect::<Result<_>>()?;
    let cursor = json.get("cursor").filter(|cursor| !cursor.is_null());
    Ok(Page { entries, cursor: cursor.map(|cursor| said(cursor, "cursor")).transpose()? })
}

/// A hit as [`HitJson`] has it, with its snippets if there are any.
///
/// # Errors
/// As [`entry_from_json`].
pub fn hit_from_json(json: &Json) -> Result<Hit> {
    let piece = |piece: &Json| match piece.as_array().map(Vec::as_slice) {
        Some([Json::String(text), Json::Bool(marked)]) => Ok((text.clone(), *marked)),
        _ => Err(unreadable("pieces")),
    };
    let snippet = |json: &Json| {
        Ok(Snippet {
            field: text(json, "field")?,
            pieces: list(json, "pieces")?.iter().map(piece).collect::<Result<_>>()?,
            before: flag(json, "before")?,
            after: flag(json, "after")?,
        })
    };
    let snippets = match json.get("snippets") {
        Some(_) => list(json, "snippets")?.iter().map(snippet).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    let score = member(json, "score")?.as_f64().ok_or_else(|| unreadable("score"))?;
    Ok(Hit { entry: entry_from_json(json)?, score, snippets })
}

fn unreadable(name: &str) -> Error {
    Error::InvalidValue(format!("`{name}` is missing or is not what it should be").into())
}

fn member<'a>(json: &'a Json, name: &str) -> Result<&'a Json> {
    json.get(name).ok_or_else(|| unreadable(name))
}

fn said(json: &Json, name: &str) -> Result<String> {
    Ok(json.as_str().ok_or_else(|| unreadable(name))?.to_owned())
}

fn text(json: &Json, name: &str) -> Result<String> {
    said(member(json, name)?, name)
}

fn number(json: &Json, name: &str) -> Result<u64> {
    member(json, name)?.as_u64().ok_or_else(|| unreadable(name))
}

fn small(json: &Json, name: &str) -> Result<u32> {
    Ok(u32::try_from(number(json, name)?).unwrap_or(u32::MAX))
}

fn flag(json: &Json, name: &str) -> Result<bool> {
    member(json, name)?.as_bool().ok_or_else(|| unreadable(name))
}

fn list<'a>(json: &'a Json, name: &str) -> Result<&'a [Json]> {
    member(json, name)?.as_array().map(Vec::as_slice).ok_or_else(|| unreadable(name))
}
