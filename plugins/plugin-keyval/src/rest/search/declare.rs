//! Declaring indexes, listing and removing them; as the original's server has it and as its client sends it.

use std::time::Duration;

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use buntime_core::ErrorKind;
use buntime_keyval::{Index, IndexInfo, IndexKind, IndexState, Key, Tokenizer, rest::index_info_to_json};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    ops::Op,
    rest::{
        Refused,
        asked::{duration, key_path, prefix, short, text},
        caller::Caller,
        sent::{Asked, Sent, object, whole},
        show,
    },
};

/// How long an answer waits for the index: what is small is ready then.
const WAIT: Duration = Duration::from_secs(2);
/// The longest, in milliseconds, that a client may wait for one.
const LONGEST_WAIT: u64 = 60_000;

/// An index: the original's server reads `options`, its client sends what is in them beside the prefix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declared {
    prefix: Option<Json>,
    options: Option<Options>,
    kind: Option<String>,
    name: Option<String>,
    fields: Option<Json>,
    tokenize: Option<String>,
    unique: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    kind: Option<String>,
    name: Option<String>,
    fields: Option<Json>,
    tokenize: Option<String>,
    unique: Option<bool>,
}

impl Declared {
    fn read(self) -> Result<Index, Refused> {
        let Self { prefix: below, options, kind, name, fields, tokenize, unique } = self;
        let below = below.filter(|json| !json.is_null()).ok_or_else(|| Refused::malformed("prefix is required"))?;
        let below = prefix(&below)?;
        // What is in the options counts before what is beside them.
        let inner = options.unwrap_or_default();
        let (kind, name, unique) = (inner.kind.or(kind), inner.name.or(name), inner.unique.or(unique));
        let (listed, tokenize) = (inner.fields.or(fields), inner.tokenize.or(tokenize));
        let kind = kind.as_deref().unwrap_or("search");
        let only = |there: bool, what: &str, of: &str| match there && kind != of {
            true => Err(Refused::malformed(format!("{what} is for indexes of the kind \"{of}\""))),
            false => Ok(()),
        };
        only(name.is_some(), "name", "sorted")?;
        only(unique.is_some(), "unique", "sorted")?;
        only(tokenize.is_some() && kind != "search", "tokenize", "search")?;
        match kind {
            "search" => {
                let tokenizer = tokenize.as_deref().map(tokenizer).transpose()?.unwrap_or_default();
                Ok(Index::search(below, fields_of(listed)?).with_tokenizer(tokenizer))
            }
            "sorted" => {
                let index = Index::sorted(below, fields_of(listed)?);
                let index = if let Some(name) = name { index.named(name) } else { index };
                Ok(if unique == Some(true) { index.unique() } else { index })
            }
            "count" if listed.is_some() => Err(Refused::malformed("An index of the kind \"count\" has no fields")),
            "count" => Ok(Index::count(below)),
            other => {
                let words = format!("There is no kind {}; write search, sorted or count", short(&json!(other)));
                Err(Refused::malformed(words))
            }
        }
    }
}

fn fields_of(listed: Option<Json>) -> Result<Vec<String>, Refused> {
    let wrong = || Refused::malformed("options.fields must be a non-empty array");
    let Some(Json::Array(listed)) = listed else { return Err(wrong()) };
    let field = |field: Json| match field {
        Json::String(field) => Ok(field),
        _ => Err(wrong()),
    };
    listed.into_iter().map(field).collect()
}

fn tokenizer(name: &str) -> Result<Tokenizer, Refused> {
    Tokenizer::from_name(name).ok_or_else(|| {
        let name = short(&json!(name));
        Refused::malformed(format!("There is no tokenizer {name}; write unicode61, porter or ascii"))
    })
}

pub(super) async fn declare(caller: Caller, Sent(declared): Sent<Declared>) -> Result<Response, Refused> {
    let index = declared.read()?;
    let declaring = async {
        let info = caller.kv.declare(index).await?;
        Ok(caller.kv.built(info.id, WAIT).await?.unwrap_or(info))
    };
    let info = caller.time(Op::IndexDeclare, declaring).await?;
    match &info.state {
        IndexState::Failed(why) => Err(Refused::new(ErrorKind::Conflict, why.as_str()).called("index_failed")),
        state => {
            let status = if *state == IndexState::Ready { StatusCode::OK } else { StatusCode::ACCEPTED };
            Ok((status, show::answer(json!({ "ok": true, "index": index_info_to_json(&info) }))).into_response())
        }
    }
}

/// All, or one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    id: Option<i64>,
    /// How long to wait until it is not being built any more.
    wait: Option<String>,
}

pub(super) async fn list(caller: Caller, Asked(asked): Asked<Listed>) -> Result<Response, Refused> {
    let wait = duration("wait", text(asked.wait.as_deref()).as_ref())?;
    let all = match asked.id {
        Some(id) => {
            let most = Duration::from_millis(wait.unwrap_or_default().min(LONGEST_WAIT));
            let built = tokio::select! {
                built = caller.kv.built(id, most) => built?,
                () = caller.rest.face.stopping.cancelled() => caller.kv.built(id, Duration::ZERO).await?,
            };
            built.into_iter().collect()
        }
        None if wait.is_some() => return Err(Refused::malformed("wait goes with the id of an index")),
        None => caller.kv.indexes().await?,
    };
    Ok(show::answer(all.iter().map(index_info_to_json).collect::<Vec<_>>()))
}

/// Which one: the original's server reads the query, its client sends a body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InQuery {
    id: Option<i64>,
    prefix: Option<String>,
    kind: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct InBody {
    id: Option<i64>,
    prefix: Option<Json>,
    kind: Option<String>,
    name: Option<String>,
}

pub(super) async fn remove(
    caller: Caller,
    Asked(asked): Asked<InQuery>,
    request: Request,
) -> Result<Response, Refused> {
    let body = whole(request).await?;
    let body: InBody = if body.is_empty() { InBody::default() } else { object(&body)? };
    let wanted = Place::read(asked, body)?;
    let removing = async {
        let id = match &wanted {
            Place::Number(id) => Some(*id),
            place @ Place::At { .. } => {
                caller.kv.indexes().await?.iter().find(|info| place.is_of(info)).map(|info| info.id)
            }
        };
        match id {
            Some(id) => caller.kv.undeclare(id).await,
            None => Ok(false),
        }
    };
    let removed = caller.time(Op::IndexRemove, removing).await?;
    Ok(show::answer(json!({ "ok": true, "removed": removed })))
}

/// Which index is meant.
#[derive(Debug)]
enum Place {
    Number(i64),
    At { prefix: Key, kind: String, name: Option<String> },
}

impl Place {
    fn read(asked: InQuery, body: InBody) -> Result<Self, Refused> {
        let (kind, name) = (asked.kind.or(body.kind), asked.name.or(body.name));
        let below = match (&asked.prefix, body.prefix.filter(|json| !json.is_null())) {
            (Some(path), _) => Some(key_path(path)?),
            (None, Some(json)) => Some(prefix(&json)?),
            (None, None) => None,
        };
        match (asked.id.or(body.id), below) {
            (Some(id), None) if kind.is_none() && name.is_none() => Ok(Self::Number(id)),
            (Some(_), _) => Err(Refused::malformed("Write the id of an index, or its prefix, kind and name, not both")),
            (None, None) => Err(Refused::malformed("prefix is required")),
            (None, Some(prefix)) => {
                // A name is that of a sorted one.
                let kind = kind.unwrap_or_else(|| if name.is_some() { "sorted" } else { "search" }.to_owned());
                Ok(Self::At { prefix, kind, name })
            }
        }
    }

    fn is_of(&self, info: &IndexInfo) -> bool {
        let Self::At { prefix, kind, name } = self else { return false };
        let named = match &info.index.kind {
            IndexKind::Sorted { name: of, .. } => Some(of) == name.as_ref(),
            IndexKind::Search { .. } | IndexKind::Count => name.is_none(),
        };
        info.index.prefix == *prefix && info.index.kind.name() == kind && named
    }
}
