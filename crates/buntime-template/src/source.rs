//! What a placeholder may name.

use buntime_content::pointer::{BadPointer, Pointer};
use http::HeaderName;

use crate::suggest::closest;

/// One value of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The method.
    Method,
    /// The path, as it is encoded.
    Path,
    /// The segment of that number, from 1, as it is encoded.
    Segment(usize),
    /// The whole query, as it is encoded.
    WholeQuery,
    /// A parameter of the query.
    Query(String),
    /// The authority that was asked for.
    Host,
    /// `http` or `https`.
    Scheme,
    /// A header of the request.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
    /// The client's address.
    ClientIp,
    /// The request's id.
    RequestId,
    /// The label of what was matched.
    Route,
    /// The consumer.
    Consumer,
    /// Who calls.
    Subject,
    /// The caller's name.
    Name,
    /// The caller's roles.
    Roles,
    /// The caller's groups.
    Groups,
    /// A claim, and a place in it.
    Claim(String, Pointer),
    /// A named value, and a place in it.
    Named(String, Pointer),
    /// A place in the body that is worked on.
    Body(Pointer),
    /// The response's status.
    Status,
    /// A header of the response.
    ResponseHeader(HeaderName),
    /// A group of a pattern, by number.
    Capture(usize),
    /// A group of a pattern, by name.
    NamedCapture(String),
    /// A text that is written in the placeholder.
    Text(String),
}

/// What is known where a template stands.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Is there a response?
    pub response: bool,
    /// Is there a body that can be looked into?
    pub body: bool,
    /// The pattern whose groups are known.
    pub captures: Option<regex::Regex>,
}

/// A name that means nothing, here or anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing is called that.
    #[error("`{name}` names nothing; {help}")]
    Unknown {
        /// What was written.
        name: String,
        /// What to write instead.
        help: String,
    },
    /// It is not known yet, or no longer.
    #[error("`{name}` is not known here: {why}")]
    NotHere {
        /// What was written.
        name: String,
        /// Why it is not.
        why: &'static str,
    },
    /// What follows it is no JSON Pointer.
    #[error("what follows `{name}` is no JSON Pointer: {bad}")]
    Pointer {
        /// What was written.
        name: String,
        /// What is wrong.
        bad: BadPointer,
    },
}

const PLAIN: [(&str, Source); 10] = [
    ("method", Source::Method),
    ("path", Source::Path),
    ("query", Source::WholeQuery),
    ("host", Source::Host),
    ("scheme", Source::Scheme),
    ("client_ip", Source::ClientIp),
    ("request_id", Source::RequestId),
    ("route", Source::Route),
    ("consumer", Source::Consumer),
    ("status", Source::Status),
];
const IDENTITY: [(&str, Source); 4] =
    [("subject", Source::Subject), ("name", Source::Name), ("roles", Source::Roles), ("groups", Source::Groups)];
const WITH_NAME: [&str; 10] =
    ["path", "query", "header", "cookie", "claim", "value", "body", "response", "capture", "identity"];

impl Source {
    /// Reads a name.
    ///
    /// # Errors
    /// It means nothing here.
    pub fn new(name: &str, known: &Known) -> Result<Self, BadName> {
        if let Some(text) = quoted(name) {
            return Ok(Self::Text(text.to_owned()));
        }
        let source = match PLAIN.iter().find(|(plain, _)| *plain == name) {
            Some((_, source)) => source.clone(),
            None => Self::with_name(name)?,
        };
        source.fits(name, known)?;
        Ok(source)
    }

    fn with_name(whole: &str) -> Result<Self, BadName> {
        let end = whole.find(['.', '/']).unwrap_or(whole.len());
        let (word, rest) = whole.split_at(end);
        let rest_name = rest.strip_prefix('.').filter(|rest| !rest.is_empty());
        let found = match (word, rest_name) {
            ("body", _) if rest.is_empty() || rest.starts_with('/') => Some(Self::Body(pointer(whole, rest)?)),
            ("path", Some(number)) => number.parse().ok().filter(|at| *at > 0).map(Self::Segment),
            ("query", Some(name)) => Some(Self::Query(name.to_owned())),
            ("header", Some(name)) => HeaderName::from_bytes(name.as_bytes()).ok().map(Self::Header),
            ("cookie", Some(name)) => Some(Self::Cookie(name.to_owned())),
            ("claim", Some(name)) => at(whole, name)?.map(|(name, place)| Self::Claim(name, place)),
            ("value", Some(name)) => at(whole, name)?.map(|(name, place)| Self::Named(name, place)),
            ("identity", Some(name)) => {
                IDENTITY.iter().find(|(known, _)| *known == name).map(|(_, found)| found.clone())
            }
            ("response", Some(name)) => {
                let name = name.strip_prefix("header.").and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
                name.map(Self::ResponseHeader)
            }
            ("capture", Some(name)) => {
                Some(name.parse().map_or_else(|_| Self::NamedCapture(name.to_owned()), Self::Capture))
            }
            _ => None,
        };
        found.ok_or_else(|| BadName::Unknown { name: short(whole), help: help(whole, word, rest_name) })
    }

    fn fits(&self, name: &str, known: &Known) -> Result<(), BadName> {
        let why = match self {
            Self::Status | Self::ResponseHeader(_) if !known.response => "there is no response yet",
            Self::Body(_) if !known.body => "no body is read here",
            Self::Capture(_) | Self::NamedCapture(_) if known.captures.is_none() => "there is no pattern with groups",
            Self::Capture(number) if known.captures.as_ref().is_some_and(|known| *number >= known.captures_len()) => {
                "the pattern has fewer groups"
            }
            Self::NamedCapture(name) => {
                let names = known.captures.iter().flat_map(|known| known.capture_names().flatten());
                let there = names.clone().any(|known| known == name);
                return if there {
                    Ok(())
                } else {
                    let all: Vec<&str> = names.collect();
                    let help = match closest(name, all.iter().copied()) {
                        Some(meant) => format!("did you mean `capture.{meant}`?"),
                        None => "the pattern has no group of that name".to_owned(),
                    };
                    Err(BadName::Unknown { name: format!("capture.{}", short(name)), help })
                };
            }
            _ => return Ok(()),
        };
        Err(BadName::NotHere { name: short(name), why })
    }
}

fn help(whole: &str, word: &str, rest: Option<&str>) -> String {
    match (word, rest) {
        ("header" | "cookie" | "claim" | "value" | "capture", None) => return format!("write `{word}.NAME`"),
        ("identity", rest) => {
            let meant = rest.and_then(|rest| closest(rest, IDENTITY.iter().map(|(name, _)| *name)));
            return match meant {
                Some(meant) => format!("did you mean `identity.{meant}`?"),
                None => {
                    "an identity has `subject`, `name`, `roles` and `groups`; write `claim.NAME` for claims".to_owned()
                }
            };
        }
        ("response", _) => return "write `response.header.NAME`, or `status`".to_owned(),
        ("path", Some(_)) => return "segments have numbers from 1: `path.1`".to_owned(),
        ("body", _) => return "a place in the body is a JSON Pointer: `body/user/id`".to_owned(),
        _ => {}
    }
    let plain = closest(whole, PLAIN.iter().map(|(name, _)| *name));
    let meant = plain.map(str::to_owned).or_else(|| {
        let near = closest(word, WITH_NAME)?;
        Some(rest.map_or_else(|| near.to_owned(), |rest| format!("{near}.{rest}")))
    });
    meant.map_or_else(
        || {
            let plain = PLAIN.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!("write one of {plain}, or `header.NAME`, `query.NAME`, `cookie.NAME`, `path.1`, `claim.NAME`, `identity.subject`, `value.NAME`, `body/pointer`")
        },
        |meant| format!("did you mean `{}`?", short(&meant)),
    )
}

/// A name, and the pointer that may follow it.
fn at(whole: &str, name: &str) -> Result<Option<(String, Pointer)>, BadName> {
    // Claims may be called like URLs: those are quoted.
    let (name, rest) = match name.strip_prefix('\'').and_then(|name| name.split_once('\'')) {
        Some(split) => split,
        None => name.split_at(name.find('/').unwrap_or(name.len())),
    };
    let place = pointer(whole, rest)?;
    Ok((!name.is_empty()).then(|| (name.to_owned(), place)))
}

fn pointer(whole: &str, text: &str) -> Result<Pointer, BadName> {
    Pointer::new(text).map_err(|bad| BadName::Pointer { name: short(whole), bad })
}

/// The text between quotes.
pub(crate) fn quoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
