//! The settings: rules as an operator writes them. Names are the original's where it had one.

use std::collections::{BTreeMap, BTreeSet};

use buntime_config::model::Upstream;
use buntime_core::{
    Settings, SettingsProblem,
    options::PublicRoutes,
    units::{Size, Span},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{draft::Draft, dynamic::MOST};

/// Settings of the plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxySettings {
    /// The rules, in order: the first whose pattern matches the path answers.
    pub rules: Vec<RuleSettings>,
    /// The type of the database that keeps the rules that are added by the API. Default: the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// How many rules may be added by the API; 0 for none. They come behind those above. Default 10000.
    #[schemars(range(max = 100_000))]
    pub max_dynamic_rules: u32,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self { rules: Vec::new(), database: None, max_dynamic_rules: MOST }
    }
}

/// One rule: which paths go to which upstream, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSettings {
    /// Its id in the admin API. Default: `static-0` and so on, by position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name in metrics, logs and health. Default: its position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A regular expression in linear time, searched for in the path.
    pub pattern: String,
    /// Where its requests go: `http://` or `https://`, a host, and a path to put before the request's if there is one.
    /// A rule has this, or `service`, or `upstream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The service whose upstream its requests go to, with all that it configures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Several targets: the same settings as a service's upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Box<Upstream>>,
    /// The path that is asked for upstream: `$1` is the pattern's first group, `$<name>` a named one, `$0` the whole
    /// match, `$$` a dollar. A group that took no part is empty. Without it the path stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<String>,
    /// Say the target's host in `Host`, and its origin in `Origin` where there is one.
    #[serde(default)]
    pub change_origin: bool,
    /// Check the `target`'s certificate.
    #[serde(default = "yes")]
    pub secure: bool,
    /// Relay WebSockets. If not, the rule is no match for them.
    #[serde(default = "yes")]
    pub ws: bool,
    /// Header fields to set on requests to the upstream.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The path under which the upstream's pages live here: `<base href="…/">` is put into HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Turn `src="/x"` and `href="/x"` in HTML into `./x`.
    #[serde(default)]
    pub relative_paths: bool,
    /// Offer the upstream as a fragment that a shell may embed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<FragmentSettings>,
    /// Run the rest of the plugins before the upstream is asked. Without it the rule answers at once.
    #[serde(default)]
    pub guard: bool,
    /// Paths, as clients ask for them, that need no identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_routes: Option<PublicRoutes>,
    /// HTTP/2 to the `target`. Default: on `https` what it agrees to, on `http` HTTP/1.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http2: Option<Http2>,
    /// How long the upstream may take to the head of its answer; replaces the server's `requestTimeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// From nothing to a connection to the `target` that can be used.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Span,
    /// How long an answer may bring nothing, and a WebSocket be silent in both directions. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Span>,
    /// The longest WebSocket message, where plugins look at messages; otherwise both ends have their own limits.
    #[serde(default = "max_message_size")]
    pub max_message_size: Size,
}

/// How a shell embeds an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FragmentSettings {
    /// How it is kept apart.
    pub sandbox: Sandbox,
    /// May it use the shell's message bus?
    pub allow_message_bus: bool,
    /// Styles to load ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preload_styles: Option<PreloadStyles>,
}

impl Default for FragmentSettings {
    fn default() -> Self {
        Self { sandbox: Sandbox::MonkeyPatch, allow_message_bus: true, preload_styles: None }
    }
}

/// How a fragment is kept apart from its shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// The page's own functions are wrapped.
    MonkeyPatch,
    /// A frame.
    Iframe,
    /// A service worker.
    ServiceWorker,
}

/// Styles to load ahead: one text, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PreloadStyles {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// Whether HTTP/2 is spoken to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "true, false or \"prior-knowledge\"")]
pub enum Http2 {
    /// Must it be, must it not?
    Is(bool),
    /// In clear text, without asking.
    By(PriorKnowledge),
}

/// The word for HTTP/2 in clear text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PriorKnowledge {
    /// The upstream is known to speak it.
    PriorKnowledge,
}

fn yes() -> bool {
    true
}

fn connect_timeout() -> Span {
    Span::secs(5)
}

fn max_message_size() -> Size {
    Size(16 << 20)
}

impl RuleSettings {
    /// A rule that leads to that target, and defaults for the rest.
    pub fn new(pattern: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            id: None,
            name: None,
            pattern: pattern.into(),
            target: Some(target.into()),
            service: None,
            upstream: None,
            rewrite: None,
            change_origin: false,
            secure: true,
            ws: true,
            headers: BTreeMap::new(),
            base: None,
            relative_paths: false,
            fragment: None,
            guard: false,
            public_routes: None,
            http2: None,
            timeout: None,
            connect_timeout: connect_timeout(),
            idle_timeout: None,
            max_message_size: max_message_size(),
        }
    }

    /// The value it sets for that header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(set, _)| set.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Its id, given its position.
    pub(crate) fn id_at(&self, index: usize) -> String {
        self.id.clone().unwrap_or_else(|| format!("static-{index}"))
    }

    /// Its name, given its position.
    pub(crate) fn name_at(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| index.to_string())
    }
}

impl Settings for ProxySettings {
    fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
        for (index, rule) in self.rules.iter().enumerate() {
            if let Err(found) = Draft::read(&format!("/rules/{index}"), rule) {
                problems.extend(found);
            }
            let mut unique = |key: &str, word: String, seen: &mut BTreeSet<String>| {
                if !seen.insert(word.clone()) {
                    let what = format!("two rules have the {key} `{word}`");
                    let help = format!("give each rule a {key} of its own");
                    problems.push(SettingsProblem::new(format!("/rules/{index}/{key}"), what).with_help(help));
                }
            };
            unique("id", rule.id_at(index), &mut ids);
            unique("name", rule.name_at(index), &mut names);
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_core::SettingsSpec;
    use serde_json::json;

    fn problems(rule: &serde_json::Value) -> Vec<String> {
        let spec = SettingsSpec::of::<ProxySettings>();
        spec.check(&json!({ "rules": [rule] })).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mistakes_say_what_to_change() {
        for (key, value, words) in [
            ("service", json!("users"), "one of `target`, `service` and `upstream`"),
            ("pattern", json!("^/(a"), "/rules/0/pattern: this is no regular expression"),
            ("pattern", json!("^/(?=a)"), "linear time"),
            ("target", json!("127.0.0.1:9000"), "http://host:port"),
            ("target", json!("ws://127.0.0.1"), "WebSockets"),
            ("target", json!("http://u:p@h"), "`headers`"),
            ("target", json!("http://h/?a=b"), "query"),
            ("target", json!("http:///x"), "/rules/0/target"),
            ("target", json!("http://h:99999"), "/rules/0/target"),
            ("rewrite", json!("/$2"), "the pattern has 1 group"),
            ("rewrite", json!("/$<id>"), "no group named `id`"),
            ("rewrite", json!("/$x"), "write `$$`"),
            ("rewrite", json!("/a b"), "/rules/0/rewrite"),
            ("headers", json!({ "bad name": "x" }), "/rules/0/headers/bad name: "),
            ("headers", json!({ "x-a": "a\nb" }), "/rules/0/headers/x-a: "),
            ("headers", json!({ "Transfer-Encoding": "x" }), "cannot be set"),
            ("headers", json!({ "host": "a b" }), "no host"),
            ("base", json!("legacy"), "begins with `/`"),
            ("publicRoutes", json!(["x"]), "/rules/0/publicRoutes/0: "),
            ("http2", json!(true), "\"prior-knowledge\""),
            ("name", json!("a b"), "letters"),
            ("connectTimeout", json!("0s"), "/rules/0/connectTimeout"),
            ("idleTimeout", json!(0), "/rules/0/idleTimeout"),
            ("nmae", json!("x"), "nmae"),
            ("http2", json!("h2c"), "prior-knowledge"),
        ] {
            let mut rule = json!({ "pattern": "^/(.*)$", "target": "http://127.0.0.1:9000" });
            rule[key] = value.clone();
            let problems = problems(&rule);
            assert!(problems.iter().any(|p| p.contains(words)), "{key}={value}: {problems:?}");
        }
    }

    #[test]
    fn mistakes_of_upstreams_say_what_to_change() {
        let targets = json!([{ "url": "http://h:1" }, { "url": "http://h:2" }]);
        for (key, value, words) in [
            ("upstream", json!({ "targets": [] }), "/rules/0/upstream/targets: "),
            ("upstream", json!({ "targets": [{ "url": "h" }] }), "http"),
            ("upstream", json!({ "targets": [{ "url": "http://h", "weight": 0 }] }), "weight 0"),
            ("upstream", json!({ "targets": [{ "url": "http://h" }, { "url": "http://h" }] }), "/targets/1/url: "),
            ("upstream", json!({ "targets": targets, "algorithm": "consistent_hash" }), "`keyBy`"),
            ("upstream", json!({ "targets": targets, "timeout": 0 }), "/rules/0/upstream/timeout: "),
            ("upstream", json!({ "targets": targets, "retries": 11 }), "/rules/0/upstream/retries: "),
            ("upstream", json!({ "targets": targets, "algoritm": "random" }), "algoritm"),
            ("service", json!("a b"), "/rules/0/service: "),
            ("secure", json!(false), "`upstream`"),
            ("http2", json!(true), "`upstream`"),
            ("connectTimeout", json!("1s"), "`upstream`"),
        ] {
            let mut rule = json!({ "pattern": "^/" });
            if key != "service" {
                rule["upstream"] = json!({ "targets": targets });
            }
            rule[key] = value.clone();
            let problems = problems(&rule);
            assert!(problems.iter().any(|p| p.contains(words)), "{key}={value}: {problems:?}");
        }
        assert_eq!(problems(&json!({ "pattern": "^/", "upstream": { "targets": targets } })), Vec::<String>::new());
        assert_eq!(problems(&json!({ "pattern": "^/", "service": "users" })), Vec::<String>::new());
        assert!(problems(&json!({ "pattern": "^/" }))[0].contains("one of `target`"));
    }

    #[test]
    fn all_mistakes_at_once() {
        let rule = json!({ "pattern": "(", "target": "x", "base": "x", "headers": { "a b": "" } });
        assert_eq!(problems(&rule).len(), 4, "{:?}", problems(&rule));
        let twice = json!({ "name": "a", "pattern": "^/", "target": "http://h" });
        let found = SettingsSpec::of::<ProxySettings>().check(&json!({ "rules": [twice, twice] }));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pointer, "/rules/1/name");
        assert!(problems(&json!({ "target": "http://h" }))[0].contains("pattern"));
    }
}
