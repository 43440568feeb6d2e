//! Values of an exchange, as placeholders name them.

use std::borrow::Cow;

use buntime_content::form;
use buntime_core::{Cx, Http};
use http::{HeaderMap, HeaderName, header};
use regex::Captures;
use serde_json::Value;

use crate::source::Source;

/// An exchange as it is now, with what else is known.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    cx: &'a Cx<Http>,
    body: Option<&'a Value>,
    captures: Option<&'a Captures<'a>>,
}

impl<'a> View<'a> {
    /// An exchange, without a body and groups.
    pub fn new(cx: &'a Cx<Http>) -> Self {
        Self { cx, body: None, captures: None }
    }

    /// With the body that is worked on, as a document.
    #[must_use]
    pub fn body(self, body: Option<&'a Value>) -> Self {
        Self { body, ..self }
    }

    /// With the groups of a pattern.
    #[must_use]
    pub fn captures(self, captures: Option<&'a Captures<'a>>) -> Self {
        Self { captures, ..self }
    }

    /// A value as text; `None` when it is not there.
    pub fn text(&self, source: &Source) -> Option<Cow<'a, str>> {
        let request = self.cx.request();
        let meta = self.cx.meta();
        Some(match source {
            Source::Method => request.method.as_str().into(),
            Source::Path => request.uri.path().into(),
            Source::Segment(number) => {
                let segment = request.uri.path().split('/').nth(*number)?;
                (!segment.is_empty()).then_some(segment)?.into()
            }
            Source::WholeQuery => request.uri.query()?.into(),
            Source::Query(name) => parameter(request.uri.query()?, name)?,
            Source::Host => host(self.cx)?.into(),
            Source::Scheme => meta.scheme.into(),
            Source::Header(name) => field(&request.headers, name)?,
            Source::Cookie(name) => cookie(&request.headers, name)?.into(),
            Source::ClientIp => meta.client_ip.to_string().into(),
            Source::RequestId => meta.request_id_str().into(),
            Source::Route => (*self.cx.route()?.label).into(),
            Source::Consumer => (**self.cx.consumer()?).into(),
            Source::Subject => self.cx.identity()?.subject.as_str().into(),
            Source::Name => self.cx.identity()?.name.as_deref()?.into(),
            Source::Roles => joined(&self.cx.identity()?.roles)?.into(),
            Source::Groups => joined(&self.cx.identity()?.groups)?.into(),
            Source::Status => self.cx.response()?.status.as_str().to_owned().into(),
            Source::ResponseHeader(name) => field(&self.cx.response()?.headers, name)?,
            Source::Capture(number) => self.captures?.get(*number).map_or("", |found| found.as_str()).into(),
            Source::NamedCapture(name) => self.captures?.name(name).map_or("", |found| found.as_str()).into(),
            Source::Claim(..) | Source::Named(..) | Source::Body(_) => shown(self.json(source)?)?,
            Source::Text(text) => text.clone().into(),
        })
    }

    /// A value as JSON, of its own kind; `None` when it is not there.
    pub fn value(&self, source: &Source) -> Option<Value> {
        match source {
            Source::Claim(..) | Source::Named(..) | Source::Body(_) => self.json(source).cloned(),
            Source::Roles => Some(self.cx.identity()?.roles.clone().into()),
            Source::Groups => Some(self.cx.identity()?.groups.clone().into()),
            Source::Status => Some(self.cx.response()?.status.as_u16().into()),
            text => self.text(text).map(|text| Value::String(text.into_owned())),
        }
    }

    fn json(&self, source: &Source) -> Option<&'a Value> {
        match source {
            Source::Claim(name, place) => place.get(self.cx.identity()?.claims.get(name)?),
            Source::Named(name, place) => place.get(self.cx.named(name)?),
            Source::Body(place) => place.get(self.body?),
            _ => None,
        }
    }
}

/// A JSON value as text: texts as they are, lists of scalars joined by commas, objects as JSON. `null` is none.
pub fn shown(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.into()),
        Value::Array(list) if !list.iter().any(|item| item.is_object() || item.is_array()) => {
            let texts: Vec<Cow<'_, str>> = list.iter().filter_map(shown).collect();
            (!texts.is_empty()).then(|| texts.join(",").into())
        }
        other => Some(other.to_string().into()),
    }
}

fn joined(list: &[String]) -> Option<String> {
    (!list.is_empty()).then(|| list.join(","))
}

fn field<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    str::from_utf8(headers.get(name)?.as_bytes()).ok().map(Cow::Borrowed)
}

fn host(cx: &Cx<Http>) -> Option<&str> {
    let request = cx.request();
    let named = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| request.uri.authority().map(http::uri::Authority::as_str))
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    form::pairs(query).flatten().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(known, value)| (known.trim(), value.trim())).find(|(known, _)| *known == name).map(|(_, value)| value)
}
