//! Settings of the response cache.

use std::time::Duration;

use buntime_core::{
    SettingsProblem,
    units::{Size, Span},
};
use buntime_router::PathPattern;
use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KeyBy, Words, words};

/// What is stored, for how long, and how much of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CacheSettings {
    /// How long answers live that say nothing themselves, if nobody is signed in and no cookie was sent. Default 0: only
    /// what says so is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
    /// Methods that are answered from the cache: GET and HEAD. Default both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Words>,
    /// What all of it may take in memory. Default 64mb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Size>,
    /// The longest body that is stored. Default 4mb, or a quarter of `maxBytes` if that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_entry_bytes: Option<Size>,
    /// How many answers one URL may have, by `Vary`, route and `varyBy`. Past it the oldest goes. Default 32.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_variants: Option<u32>,
    /// Paths that pass by the cache, as globs or regular expressions that begin with `^` or `(`.
    pub exclude_paths: Vec<String>,
    /// What else tells answers apart: `consumer`, `user`, `header:<name>`, `cookie:<name>`. With `consumer` or `user`,
    /// answers to those who are signed in are stored, each for one of them alone.
    pub vary_by: Vec<KeyBy>,
    /// Give answers with a `Last-Modified` and nothing else a tenth of their age, at most a day? Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heuristic: Option<bool>,
    /// What is done with answers that set cookies. Default `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_cookie: Option<SetCookie>,
    /// Do as `Cache-Control` of requests says (`no-cache`, `max-age`, `only-if-cached`, …)? With it anybody can make the
    /// upstream work. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_directives: Option<bool>,
    /// Tell upstreams that they may say `Surrogate-Control`, obey it before `Cache-Control`, and take it off? Default
    /// false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surrogate: Option<bool>,
    /// How long a stale answer is served while a new one is fetched, where the answer does not say. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_while_revalidate: Option<Span>,
    /// How long a stale answer is served when the upstream fails, where the answer does not say. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_if_error: Option<Span>,
    /// Fields of answers that hold tags. Default `Cache-Tag` and `Surrogate-Key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_headers: Option<Words>,
    /// Tags that everything has that is stored here.
    pub tags: Vec<String>,
    /// How requests for one URL that are not in the cache wait for each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapse: Option<CollapseSettings>,
    /// Keep answers in `redis` too, so that several nodes share them? Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<bool>,
}

/// How requests wait for one that fetches the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CollapseSettings {
    /// Do they? Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How long at most; then they ask the upstream themselves. Default 3s, at most 4s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
    /// How many at most wait for one. Default 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiters: Option<u32>,
}

/// What is done with an answer that sets cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetCookie {
    /// It is not stored: a cookie is usually for one person.
    #[default]
    Refuse,
    /// It is stored without its cookies.
    Strip,
    /// It is stored with them, as RFC 9111 has it: everybody gets them.
    Store,
}

/// A hook has five seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// Ten years would be as good as never.
const LONGEST_AGE: Duration = Duration::from_secs(366 * 86_400);
const MOST_WORDS: usize = 100;

impl CacheSettings {
    /// What all of it may take.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes.map_or(64 << 20, |size| size.0)
    }

    /// The longest body.
    pub fn max_entry_bytes(&self) -> u64 {
        self.max_entry_bytes.map_or((4 << 20).min(self.max_bytes() / 4), |size| size.0)
    }

    /// Fields that hold tags.
    pub(crate) fn tag_headers(&self) -> Vec<HeaderName> {
        match &self.tag_headers {
            None => vec![HeaderName::from_static("cache-tag"), HeaderName::from_static("surrogate-key")],
            Some(named) => named.as_slice().iter().filter_map(|name| name.parse().ok()).collect(),
        }
    }

    pub(super) fn check(&self, redis: bool, pointer: &str, problems: &mut Vec<SettingsProblem>) {
        let mut say = |at: String, message: String, help: &str| {
            problems.push(SettingsProblem::new(format!("{pointer}{at}"), message).with_help(help));
        };
        for method in words(self.methods.as_ref()) {
            if method != "GET" && method != "HEAD" {
                let message = format!("`{method}` is not answered from a cache");
                say("/methods".to_owned(), message, "write GET, HEAD or both");
            }
        }
        self.check_sizes(&mut say);
        for (index, text) in self.exclude_paths.iter().enumerate() {
            if let Err(error) = PathPattern::new(text) {
                let help = "patterns are globs, or linear regular expressions";
                say(format!("/excludePaths/{index}"), error.to_string(), help);
            }
        }
        for (index, key) in self.vary_by.iter().enumerate() {
            if matches!(key, KeyBy::Ip | KeyBy::Global | KeyBy::Route) {
                let help = "write consumer, user, header:<name> or cookie:<name>; routes are told apart anyway";
                say(format!("/varyBy/{index}"), format!("answers are not told apart by `{key}`"), help);
            }
        }
        for name in words(self.tag_headers.as_ref()) {
            if name.parse::<HeaderName>().is_err() {
                say("/tagHeaders".to_owned(), format!("`{name}` is no header name"), "write Cache-Tag, or another");
            }
        }
        for (index, tag) in self.tags.iter().enumerate() {
            let sane = |byte: u8| byte.is_ascii_graphic() && byte != b',';
            if tag.is_empty() || tag.len() > 256 || !tag.bytes().all(sane) {
                let help = "write 1 to 256 visible ASCII characters without commas";
                say(format!("/tags/{index}"), format!("`{tag}` is no tag"), help);
            }
        }
        if self.vary_by.len() > 4 || self.tags.len() > MOST_WORDS || self.exclude_paths.len() > 1000 {
            say(String::new(), "a list is too long".to_owned(), "`varyBy` takes 4, `tags` 100, `excludePaths` 1000");
        }
        if self.redis == Some(true) && !redis {
            say("/redis".to_owned(), "there is no Redis".to_owned(), "say where it is in `redis` of the plugin");
        }
    }

    fn check_sizes(&self, say: &mut impl FnMut(String, String, &str)) {
        if !(64 << 10..=1 << 40).contains(&self.max_bytes()) {
            say("/maxBytes".to_owned(), "it is too little or too much".to_owned(), "write 64kb to 1tb");
        }
        if self.max_entry_bytes() == 0 || self.max_entry_bytes() > self.max_bytes() / 4 {
            let help = "write a quarter of `maxBytes` at most, so that one answer does not drive all others out";
            say("/maxEntryBytes".to_owned(), "it is too much, or nothing".to_owned(), help);
        }
        if self.max_variants.is_some_and(|most| !(1..=1000).contains(&most)) {
            say("/maxVariants".to_owned(), "it is out of range".to_owned(), "write 1 to 1000");
        }
        for (at, span) in [
            ("/ttl", self.ttl),
            ("/staleWhileRevalidate", self.stale_while_revalidate),
            ("/staleIfError", self.stale_if_error),
        ] {
            if span.is_some_and(|span| *span > LONGEST_AGE) {
                say(at.to_owned(), "it is too long".to_owned(), "write at most 366d");
            }
        }
        let wait = self.collapse.as_ref().and_then(|collapse| collapse.wait);
        if wait.is_some_and(|wait| wait.is_zero() || *wait > LONGEST_WAIT) {
            let help = "a hook has five seconds; write 1ms to 4s, or `enabled` false";
            say("/collapse/wait".to_owned(), "it is too long, or no time at all".to_owned(), help);
        }
    }
}
