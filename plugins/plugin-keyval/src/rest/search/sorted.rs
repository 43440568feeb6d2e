//! Entries in the order of a sorted index.

use axum::response::Response;
use buntime_keyval::{ByIndex, Edge, Part, json::key_from_json, rest::PageJson};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    ops::Op,
    rest::{
        Refused,
        asked::{limit, prefix},
        caller::Caller,
        sent::Sent,
        show,
    },
};

/// Which of them: what the first fields equal, and where the next begins and ends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Selected {
    prefix: Option<Json>,
    name: Option<String>,
    equals: Option<Json>,
    gt: Option<Json>,
    gte: Option<Json>,
    lt: Option<Json>,
    lte: Option<Json>,
    limit: Option<Json>,
    reverse: Option<bool>,
    cursor: Option<String>,
}

impl Selected {
    fn read(self) -> Result<ByIndex, Refused> {
        let below =
            self.prefix.filter(|json| !json.is_null()).ok_or_else(|| Refused::malformed("prefix is required"))?;
        let name = self.name.ok_or_else(|| Refused::malformed("name is required: that of a sorted index"))?;
        let equals = match self.equals {
            Some(Json::Array(list)) => parts("equals", &Json::Array(list))?,
            Some(one) => parts("equals", &json!([one]))?,
            None => Vec::new(),
        };
        Ok(ByIndex {
            prefix: prefix(&below)?,
            name,
            equals,
            from: edge(("gt", self.gt), ("gte", self.gte))?,
            to: edge(("lt", self.lt), ("lte", self.lte))?,
            reverse: self.reverse.unwrap_or_default(),
            limit: limit(self.limit.as_ref())?,
            cursor: self.cursor.filter(|cursor| !cursor.is_empty()),
        })
    }
}

/// Values, as the parts of a key are written.
fn parts(what: &str, list: &Json) -> Result<Vec<Part>, Refused> {
    let key =
        key_from_json(list).map_err(|error| Refused::malformed(format!("{what}: {error}")).called(error.code()))?;
    Ok(key.parts())
}

fn edge(without: (&str, Option<Json>), with: (&str, Option<Json>)) -> Result<Option<Edge>, Refused> {
    let (what, value, included) = match (without.1, with.1) {
        (None, None) => return Ok(None),
        (Some(value), None) => (without.0, value, false),
        (None, Some(value)) => (with.0, value, true),
        (Some(_), Some(_)) => return Err(Refused::malformed(format!("Write {} or {}, not both", without.0, with.0))),
    };
    Ok(parts(what, &json!([value]))?.pop().map(|value| Edge { value, included }))
}

pub(super) async fn list(caller: Caller, Sent(selected): Sent<Selected>) -> Result<Response, Refused> {
    let selected = selected.read()?;
    let page = caller.time(Op::ListByIndex, caller.kv.by_index(&selected)).await?;
    Ok(show::answer(PageJson::from(&page)))
}
