//! A rule read and checked, before anything is opened: what validation and the start have in common.

use std::sync::Arc;

use buntime_config::model::Upstream;
use buntime_core::SettingsProblem;
use buntime_http::upstream::Protocol;
use buntime_router::path_pattern::{PublicPaths, linear_regex};
use buntime_upstream::ClusterOptions;
use http::{HeaderName, HeaderValue, header, uri::Authority};
use regex::Regex;

use crate::{
    config::{Http2, PriorKnowledge, RuleSettings},
    html::Edits,
    rewrite::Rewrite,
    target::Target,
    upstream,
};

/// Everything of a rule but its connections.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) pattern: Regex,
    pub(crate) way: Way,
    pub(crate) rewrite: Option<Rewrite>,
    pub(crate) headers: Box<[(HeaderName, HeaderValue)]>,
    pub(crate) html: Option<Edits>,
    pub(crate) public: PublicPaths,
}

/// Where a rule leads.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// To one target.
    Target(Target, ClusterOptions),
    /// To the targets of a service.
    Service(Arc<str>),
    /// To targets of its own.
    Upstream(Box<Upstream>),
}

/// Fields that say how a message is framed or where it goes: setting one would break every request.
const FRAMING: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];

impl Draft {
    /// Reads a rule that stands at `place`, a JSON pointer.
    ///
    /// # Errors
    /// Every problem at once.
    pub(crate) fn read(place: &str, rule: &RuleSettings) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = Problems { place, found: Vec::new() };
        problems.check("name", rule.name.as_deref().map_or(Ok(()), word));
        problems.check("id", rule.id.as_deref().map_or(Ok(()), word));
        let pattern = problems.check("pattern", linear_regex(&rule.pattern).map_err(|error| error.to_string()));
        let way = way(rule, &mut problems);
        let rewrite = match (&rule.rewrite, &pattern) {
            (Some(template), Some(pattern)) => problems.check("rewrite", Rewrite::read(template, pattern)),
            _ => None,
        };
        let headers = rule.headers.iter().filter_map(|(name, value)| {
            problems.check(&format!("headers/{}", name.replace('~', "~0").replace('/', "~1")), field(name, value))
        });
        let headers = headers.collect();
        let base = rule.base.as_deref().and_then(|base| problems.check("base", base_path(base)));
        let html = (base.is_some() || rule.relative_paths).then(|| Edits::new(base, rule.relative_paths));
        let public = rule.public_routes.as_ref().map(|routes| {
            let pointer = format!("{place}/publicRoutes");
            PublicPaths::new(routes, &pointer).unwrap_or_else(|found| {
                problems.found.extend(found);
                PublicPaths::default()
            })
        });
        for (key, span) in [("timeout", rule.timeout), ("idleTimeout", rule.idle_timeout)] {
            problems.check(key, positive(span.map(|span| span.as_nanos())));
        }
        problems.check("connectTimeout", positive(Some(rule.connect_timeout.as_nanos())));
        problems.check("maxMessageSize", positive(Some(u128::from(rule.max_message_size.0))));
        match (pattern, way) {
            (Some(pattern), Some(way)) if problems.found.is_empty() => {
                let public = public.unwrap_or_default();
                Ok(Self { pattern, way, rewrite, headers, html, public })
            }
            _ => Err(problems.found),
        }
    }

    /// The origin of its (first) target, where that is known without asking a service.
    pub(crate) fn origin(&self) -> Option<String> {
        match &self.way {
            Way::Target(target, _) => Some(target.origin.clone()),
            Way::Upstream(upstream) => upstream.targets.first().map(|first| first.url.origin().ascii_serialization()),
            Way::Service(_) => None,
        }
    }
}

/// Where the rule leads: exactly one of three.
fn way(rule: &RuleSettings, problems: &mut Problems<'_>) -> Option<Way> {
    let one = "a rule has one of `target`, `service` and `upstream`";
    match (&rule.target, &rule.service, &rule.upstream) {
        (Some(target), None, None) => {
            let target = problems.check("target", Target::read(target));
            let protocol = problems.check("http2", protocol(rule.http2, target.as_ref().is_none_or(|t| t.is_https)));
            let options = ClusterOptions {
                protocol: protocol?,
                insecure: !rule.secure,
                connect_timeout: rule.connect_timeout.into(),
                ..ClusterOptions::default()
            };
            Some(Way::Target(target?, options))
        }
        (None, Some(service), None) => {
            only_of_targets(rule, "the service's `upstream`", problems);
            problems.check("service", word(service).map(|()| Way::Service(service.as_str().into())))
        }
        (None, None, Some(upstream)) => {
            only_of_targets(rule, "`upstream`", problems);
            problems.found.extend(upstream::problems(upstream, &format!("{}/upstream", problems.place)));
            Some(Way::Upstream(upstream.clone()))
        }
        (None, None, None) => problems.check("target", Err(format!("{one}, and this one has none"))),
        (target, ..) => {
            let key = if target.is_some() && rule.service.is_some() { "service" } else { "upstream" };
            problems.check(key, Err(format!("{one}; take the others out")))
        }
    }
}

/// What says how one `target` is reached says nothing of others.
fn only_of_targets(rule: &RuleSettings, place: &str, problems: &mut Problems<'_>) {
    let plain = RuleSettings::new("", "");
    for (key, is_said, instead) in [
        ("secure", rule.secure != plain.secure, "secure"),
        ("http2", rule.http2.is_some(), "protocol"),
        ("connectTimeout", rule.connect_timeout != plain.connect_timeout, "connectTimeout"),
    ] {
        if is_said {
            let what = format!("`{key}` goes with `target`; write `{instead}` into {place}");
            problems.check(key, Err::<(), _>(what));
        }
    }
}

struct Problems<'a> {
    place: &'a str,
    found: Vec<SettingsProblem>,
}

impl Problems<'_> {
    /// What was read, or nothing and one problem more.
    fn check<T>(&mut self, key: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|what| self.found.push(SettingsProblem::new(format!("{}/{key}", self.place), what))).ok()
    }
}

/// Names stand in metrics' labels, in paths of the admin API and in log lines.
pub(crate) fn word(text: &str) -> Result<(), String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > 64 || !text.chars().all(fine) {
        return Err(format!("`{text}` is no name; use up to 64 letters, digits, `-`, `_` and `.`"));
    }
    Ok(())
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let known = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no name of a header field"))?;
    if FRAMING.contains(&known) {
        return Err(format!("`{name}` cannot be set: it belongs to each connection"));
    }
    // The value may be a secret and is not repeated.
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| "this value cannot stand in a header field; it must be one line of text".to_owned())?;
    if known == header::HOST && value.to_str().ok().is_none_or(|host| host.parse::<Authority>().is_err()) {
        return Err("this is no host; write `name` or `name:port`".to_owned());
    }
    value.set_sensitive(true);
    Ok((known, value))
}

fn base_path(base: &str) -> Result<&str, String> {
    if !base.starts_with('/') {
        return Err(format!("a base begins with `/`: write `/{base}`"));
    }
    if base.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("a base has no spaces or control characters".to_owned());
    }
    Ok(base.trim_end_matches('/'))
}

fn protocol(http2: Option<Http2>, is_https: bool) -> Result<Protocol, String> {
    match (http2, is_https) {
        (None, _) => Ok(Protocol::Auto),
        (Some(Http2::Is(false)), _) => Ok(Protocol::Http1),
        (Some(Http2::Is(true)), true) => Ok(Protocol::Http2),
        (Some(Http2::Is(true)), false) => {
            Err("HTTP/2 is agreed on under TLS; for a target in clear text write \"prior-knowledge\"".to_owned())
        }
        (Some(Http2::By(PriorKnowledge::PriorKnowledge)), false) => Ok(Protocol::Http2),
        (Some(Http2::By(PriorKnowledge::PriorKnowledge)), true) => {
            Err("under TLS HTTP/2 is agreed on; write true".to_owned())
        }
    }
}

fn positive(number: Option<u128>) -> Result<(), String> {
    if number == Some(0) { Err("must be more than nothing; leave it out for the default".to_owned()) } else { Ok(()) }
}
