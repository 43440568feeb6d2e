//! Settings of one limit.

use std::{borrow::Cow, fmt, time::Duration};

use buntime_core::{SettingsProblem, units::Span};
use buntime_router::PathPattern;
use http::{HeaderName, Method};
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How many requests, of whom, in what time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitSettings {
    /// What it is called in headers, counters and the API: letters, digits, `-`, `_`, `.`. Default: `default` for a
    /// single limit, else its position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many are let through. Default 100.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// In what time. Default 1m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
    /// Makes it a quota: so many in each calendar day or month (UTC), kept in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// How requests are counted. Default `token_bucket`; a quota is always counted by `fixed_window`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<AlgorithmName>,
    /// How many at once, for `token_bucket`. Default: `requests`.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// Who is counted apart: one key, or several together. Default `ip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_by: Option<OneOrMore>,
    /// What happens past it. Default `enforce`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeName>,
    /// How long a request is held back at most, in mode `throttle`. Default 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Span>,
    /// What a request counts: a number, or rules by method and path of which the first that matches says it. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Paths that are not counted, as globs (`/health/**`) or regular expressions that begin with `^` or `(`.
    pub exclude_paths: Vec<String>,
    /// Who is not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bypass: Option<Bypass>,
    /// Where it stands in the chain; lower is earlier. Default: where the plugin stands, 15.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
}

/// A calendar period, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first to the last of the month.
    Month,
}

/// How requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlgorithmName {
    /// A bucket that refills evenly (GCRA): `burst` at once, `requests` per window after that.
    TokenBucket,
    /// Windows that begin at multiples of their length since 1970.
    FixedWindow,
    /// The window that ends now, the one before it counted by how much of it overlaps.
    SlidingWindow,
}

/// What happens past a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModeName {
    /// 429.
    #[default]
    Enforce,
    /// It is counted and logged, and let through.
    Observe,
    /// It is held back until it fits, at most `maxDelay`; past that, 429.
    Throttle,
}

/// One key or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a key such as `ip`, or a list of keys")]
pub enum OneOrMore {
    /// One.
    One(KeyBy),
    /// Together.
    Several(Vec<KeyBy>),
}

impl OneOrMore {
    /// All of them.
    pub fn as_slice(&self) -> &[KeyBy] {
        match self {
            Self::One(key) => std::slice::from_ref(key),
            Self::Several(keys) => keys,
        }
    }
}

/// Who is counted apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyBy {
    /// The client's address; IPv6 by its prefix.
    Ip,
    /// The consumer; where there is none, the address.
    Consumer,
    /// The subject of the identity; where there is none, the address.
    User,
    /// The route that was matched.
    Route,
    /// Everybody together.
    Global,
    /// The value of a header; where it is absent or comes twice, the address.
    Header(HeaderName),
    /// The value of a cookie; where it is absent, the address.
    Cookie(String),
}

impl fmt::Display for KeyBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip => f.write_str("ip"),
            Self::Consumer => f.write_str("consumer"),
            Self::User => f.write_str("user"),
            Self::Route => f.write_str("route"),
            Self::Global => f.write_str("global"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

impl Serialize for KeyBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unknown = || {
            de::Error::custom(format!(
                "`{text}` is no key; write ip, consumer, user, route, global, header:<name> or cookie:<name>"
            ))
        };
        let is_token = |name: &str| !name.is_empty() && HeaderName::from_bytes(name.as_bytes()).is_ok();
        Ok(match text.split_once(':') {
            None => match text.as_str() {
                "ip" => Self::Ip,
                "consumer" => Self::Consumer,
                "user" => Self::User,
                "route" => Self::Route,
                "global" => Self::Global,
                _ => return Err(unknown()),
            },
            Some(("header", name)) => Self::Header(HeaderName::from_bytes(name.as_bytes()).map_err(|_| unknown())?),
            // A cookie's name is a token, as a header's.
            Some(("cookie", name)) if is_token(name) => Self::Cookie(name.to_owned()),
            Some(_) => return Err(unknown()),
        })
    }
}

impl JsonSchema for KeyBy {
    fn schema_name() -> Cow<'static, str> {
        "KeyBy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Who is counted apart. What a request does not have is replaced by its address.",
            "type": "string",
            "pattern": "^(ip|consumer|user|route|global|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$"
        })
    }
}

/// What a request counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, or a list of rules with `cost`, `methods` and `paths`")]
pub enum Cost {
    /// Always as much.
    Always(u64),
    /// The first rule that matches; 1 if none does.
    Rules(Vec<CostRule>),
}

/// What some requests count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CostRule {
    /// How much; 0 is free.
    pub cost: u64,
    /// Methods; none means all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Paths, as globs or regular expressions; none means all.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// Who is not counted. Whoever is named in either list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bypass {
    /// Addresses and networks: `10.0.0.0/8`, `192.0.2.1`, `2001:db8::/32`.
    pub addresses: Vec<String>,
    /// Names of consumers.
    pub consumers: Vec<String>,
}

/// The longest window: a year.
const LONGEST_WINDOW: Duration = Duration::from_secs(366 * 86_400);
const MOST_REQUESTS: u64 = 1_000_000_000;
/// A hook has five seconds.
const LONGEST_DELAY: Duration = Duration::from_secs(4);
/// A limit has no more key parts.
const MOST_KEYS: usize = 4;
const MOST_ENTRIES: usize = 1000;

impl LimitSettings {
    /// How many are let through.
    pub fn requests(&self) -> u64 {
        self.requests.unwrap_or(100)
    }

    /// In what time, unless it is a quota.
    pub fn window(&self) -> Duration {
        self.window.map_or(Duration::from_secs(60), Duration::from)
    }

    /// How they are counted.
    pub fn algorithm(&self) -> AlgorithmName {
        match self.period {
            Some(_) => AlgorithmName::FixedWindow,
            None => self.algorithm.unwrap_or(AlgorithmName::TokenBucket),
        }
    }

    /// How many at once at most.
    pub fn burst(&self) -> u64 {
        self.burst.unwrap_or_else(|| self.requests())
    }

    /// Who is counted apart.
    pub fn keys(&self) -> &[KeyBy] {
        self.key_by.as_ref().map_or(&[KeyBy::Ip], OneOrMore::as_slice)
    }

    pub(super) fn check(&self, name: &str, pointer: &str, problems: &mut Vec<SettingsProblem>) {
        let mut say = |at: &str, message: String, help: &str| {
            problems.push(SettingsProblem::new(format!("{pointer}{at}"), message).with_help(help));
        };
        let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(sane) {
            say("/name", format!("`{name}` is no name of a limit"), "write 1 to 64 letters, digits, `-`, `_` or `.`");
        }
        for (at, number) in [("/requests", self.requests), ("/burst", self.burst)] {
            if number.is_some_and(|number| !(1..=MOST_REQUESTS).contains(&number)) {
                say(at, "it lets nothing or everything through".to_owned(), "write 1 to 1000000000");
            }
        }
        if self.window.is_some_and(|window| *window < Duration::from_millis(1) || *window > LONGEST_WINDOW) {
            say("/window", "no window is that long or that short".to_owned(), "write 1ms to 366d");
        }
        self.check_algorithm(&mut say);
        self.check_cost(&mut say);
        self.check_bypass(&mut say);
    }

    fn check_algorithm(&self, say: &mut impl FnMut(&str, String, &str)) {
        if self.period.is_some() {
            if self.window.is_some() {
                let help =
                    "a quota lasts a calendar day or month; take `window` away (null, if a more general level says it)";
                say("/window", "it says both `window` and `period`".to_owned(), help);
            }
            if self.algorithm.is_some_and(|name| name != AlgorithmName::FixedWindow) {
                say("/algorithm", "a quota is counted by `fixed_window`".to_owned(), "take it away");
            }
        }
        let bucket = self.algorithm() == AlgorithmName::TokenBucket;
        if self.burst.is_some() && !bucket {
            say("/burst", "only a token bucket has one".to_owned(), "take it away, or write `token_bucket`");
        }
        let filling = self.window().as_secs_f64() / self.requests().max(1) as f64 * self.burst() as f64;
        if bucket && filling > LONGEST_WINDOW.as_secs_f64() {
            say("/burst", "it would take more than a year to fill".to_owned(), "write a smaller one");
        }
        if self.mode == Some(ModeName::Throttle) && !bucket {
            let help = "write `token_bucket`, which lets requests out one by one, or another mode";
            say("/mode", "only a token bucket can hold requests back".to_owned(), help);
        }
        match self.max_delay {
            Some(_) if self.mode != Some(ModeName::Throttle) => {
                say("/maxDelay", "nothing is held back".to_owned(), "write `mode` `throttle`, or take it away");
            }
            Some(delay) if delay.is_zero() || *delay > LONGEST_DELAY => {
                say(
                    "/maxDelay",
                    "it is too long, or no time at all".to_owned(),
                    "a hook has five seconds; write 1ms to 4s",
                );
            }
            _ => {}
        }
        let keys = self.keys();
        if keys.is_empty() || keys.len() > MOST_KEYS {
            say("/keyBy", format!("{} keys are counted by", keys.len()), "write 1 to 4; `global` counts all together");
        }
        if keys.len() > 1 && keys.contains(&KeyBy::Global) {
            say("/keyBy", "`global` beside other keys says nothing".to_owned(), "take it away");
        }
        if (1..keys.len()).any(|index| keys[..index].contains(&keys[index])) {
            say("/keyBy", "a key stands there twice".to_owned(), "take one away");
        }
    }

    fn check_cost(&self, say: &mut impl FnMut(&str, String, &str)) {
        let most = if self.algorithm() == AlgorithmName::TokenBucket { self.burst() } else { self.requests() };
        let too_much = |cost: u64| format!("a cost of {cost} never fits into {most}");
        match &self.cost {
            Some(Cost::Always(cost)) if *cost > most => say("/cost", too_much(*cost), "write a smaller one"),
            Some(Cost::Always(0)) => say("/cost", "it counts nothing".to_owned(), "write 1 or more"),
            Some(Cost::Rules(rules)) => {
                if rules.len() > MOST_ENTRIES {
                    say("/cost", "it has too many rules".to_owned(), "write at most 1000");
                }
                for (index, rule) in rules.iter().enumerate() {
                    let at = format!("/cost/{index}");
                    if rule.cost > most {
                        say(&format!("{at}/cost"), too_much(rule.cost), "write a smaller one");
                    }
                    for (i, method) in rule.methods.iter().enumerate() {
                        if Method::from_bytes(method.as_bytes()).is_err() {
                            say(&format!("{at}/methods/{i}"), format!("`{method}` is no method"), "write GET, POST, …");
                        }
                    }
                    check_paths(&rule.paths, &format!("{at}/paths"), say);
                }
            }
            _ => {}
        }
    }

    fn check_bypass(&self, say: &mut impl FnMut(&str, String, &str)) {
        check_paths(&self.exclude_paths, "/excludePaths", say);
        let Some(bypass) = &self.bypass else { return };
        for (list, len) in [("addresses", bypass.addresses.len()), ("consumers", bypass.consumers.len())] {
            if len > MOST_ENTRIES {
                say(&format!("/bypass/{list}"), format!("{len} are too many"), "write at most 1000");
            }
        }
        for (index, text) in bypass.addresses.iter().enumerate() {
            if network(text).is_none() {
                let message = format!("`{text}` is neither an address nor a network");
                say(&format!("/bypass/addresses/{index}"), message, "write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32");
            }
        }
    }
}

/// An address, or a network in CIDR notation.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

fn check_paths(paths: &[String], at: &str, say: &mut impl FnMut(&str, String, &str)) {
    if paths.len() > MOST_ENTRIES {
        say(at, format!("{} patterns are too many", paths.len()), "write at most 1000");
        return;
    }
    for (index, text) in paths.iter().enumerate() {
        if let Err(error) = PathPattern::new(text) {
            say(&format!("{at}/{index}"), error.to_string(), "patterns are globs, or linear regular expressions");
        }
    }
}
