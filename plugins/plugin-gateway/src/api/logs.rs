//! The request log, its figures, and the history.

use std::net::IpAddr;

use axum::{Json, extract::State};
use buntime_core::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Api, Query, malformed};
use crate::{
    desk::Desk,
    history::Sample,
    limits::time::of_day,
    log::{REMEMBERED, ring::Seen, tally::milliseconds},
};

/// Most requests of one answer: all that are remembered.
const MOST: usize = 2 * REMEMBERED;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Which {
    limit: Option<usize>,
    ip: Option<IpAddr>,
    name: Option<String>,
    consumer: Option<String>,
    path: Option<String>,
    rate_limited: Option<bool>,
    status_range: Option<String>,
}

/// Statuses from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Statuses(u16, u16);

impl Statuses {
    /// `404`, `5xx` or `400-499`.
    fn read(text: &str) -> Option<Self> {
        let status = |text: &str| text.parse().ok().filter(|status| (100..1000).contains(status));
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().ok().filter(|class| (1..=9).contains(class))?;
            return Some(Self(class * 100, class * 100 + 99));
        }
        match text.split_once('-') {
            Some((from, to)) => Some(Self(status(from)?, status(to)?)).filter(|Self(from, to)| from <= to),
            None => status(text).map(|status| Self(status, status)),
        }
    }

    fn has(self, status: u16) -> bool {
        (self.0..=self.1).contains(&status)
    }
}

pub(super) async fn list(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<Value>, Error> {
    let most = which.limit.unwrap_or(50);
    if !(1..=MOST).contains(&most) {
        return Err(malformed(format!("`limit` is a number from 1 to {MOST}")));
    }
    let statuses = match which.status_range.as_deref() {
        None => None,
        Some(text) => Some(
            Statuses::read(text)
                .ok_or_else(|| malformed("`statusRange` is a status, a class or a range: 404, 5xx, 400-499"))?,
        ),
    };
    let desk = api.desk.clone();
    // Looking at all of them takes a while: not on a thread that serves requests.
    let found = tokio::task::spawn_blocking(move || find(&desk, most, &which, statuses)).await;
    Ok(Json(Value::Array(found.map_err(Error::internal)?)))
}

fn find(desk: &Desk, most: usize, which: &Which, statuses: Option<Statuses>) -> Vec<Value> {
    let common = |ip: IpAddr, consumer: Option<&str>, path: &str, status: u16| {
        which.ip.is_none_or(|wanted| wanted == ip)
            && which.consumer.as_deref().is_none_or(|wanted| consumer == Some(wanted))
            && which.path.as_deref().is_none_or(|wanted| path.contains(wanted))
            && statuses.is_none_or(|wanted| wanted.has(status))
    };
    let over = desk.refusals(most, |refusal| {
        common(refusal.ip, refusal.consumer.as_deref(), &refusal.path, refusal.status())
            && which.name.as_ref().is_none_or(|name| **name == *refusal.limit)
            && which.rate_limited.is_none_or(|limited| limited != refusal.observed)
    });
    let mut found: Vec<(u64, Value)> = over.iter().map(|one| (of_day(one.time), one.show())).collect();
    if which.name.is_none() && which.rate_limited != Some(true) {
        let others = desk.seen.list(most, |seen| {
            common(seen.ip, Some(&*seen.consumer).filter(|name| !name.is_empty()), &seen.path, seen.status)
        });
        found.extend(others.iter().map(|seen| (seen.ended, show(seen))));
    }
    found.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    found.into_iter().take(most).map(|(_, shown)| shown).collect()
}

fn show(seen: &Seen) -> Value {
    let there = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let time = OffsetDateTime::from_unix_timestamp_nanos(seen.ended.into());
    json!({
        "timestamp": time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default(),
        "ip": seen.ip,
        "method": seen.method,
        "path": seen.path,
        "status": seen.status,
        "duration": milliseconds(seen.micros),
        "requestId": seen.request_id,
        "consumer": there(&seen.consumer),
        "route": there(&seen.route),
        "rateLimited": false,
        "observed": false,
    })
}

impl Api {
    /// The last requests of all kinds, as [`list`] has them.
    pub(super) fn recent(&self, most: usize) -> Value {
        Value::Array(find(&self.desk, most, &Which::default(), None))
    }

    /// How requests ended.
    pub(super) fn log_stats(&self) -> Value {
        let ends = self.desk.tally.read();
        let (refused, observed) = self.desk.over();
        json!({
            "total": ends.total,
            "rateLimited": refused,
            "observed": observed,
            "byStatus": ends.by_status(),
            "avgDuration": ends.average(),
            "kept": self.desk.remembered(),
            "most": MOST,
        })
    }
}

pub(super) async fn stats(State(api): State<Api>) -> Json<Value> {
    Json(api.log_stats())
}

pub(super) async fn forget(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "cleared": api.desk.forget() }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WhichSamples {
    limit: Option<usize>,
}

pub(super) async fn history(State(api): State<Api>, Query(which): Query<WhichSamples>) -> Result<Json<Value>, Error> {
    let history = &api.history;
    let (asked, most) = (which.limit.unwrap_or(60), history.most().max(60));
    if !(1..=most).contains(&asked) {
        return Err(malformed(format!("`limit` is a number from 1 to {most}")));
    }
    Ok(Json(history.last(asked).iter().map(Sample::show).collect()))
}

pub(super) async fn forget_history(State(api): State<Api>) -> Result<Json<Value>, Error> {
    let cleared = api.history.clear().await.map_err(|error| {
        let failed = Error::new(ErrorKind::PluginFailed).with_detail("The database does not answer");
        failed.with_internal(error.to_string())
    })?;
    Ok(Json(json!({ "cleared": cleared })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read() {
        for (text, expect) in [
            ("404", Some(Statuses(404, 404))),
            ("5xx", Some(Statuses(500, 599))),
            ("400-499", Some(Statuses(400, 499))),
            ("499-400", None),
            ("0xx", None),
            ("99", None),
            ("", None),
            ("-", None),
            ("99999", None),
        ] {
            assert_eq!(Statuses::read(text), expect, "{text}");
        }
    }
}
