//! The environment variables and flags that win over the file: `HOST`, `PORT`, `BUNTIME_*`, `LIBSQL_*`, `--plugin`.

use std::collections::BTreeSet;

use buntime_core::{
    metadata::{Capability, PluginName},
    options::FailureMode,
};
use serde_json::Value;

use crate::{
    diagnostics::Diagnostic,
    entries::{Entries, EntryParts},
    env::Env,
    model::{Config, LibsqlEnvironment, PluginPolicy, Secret},
    plugin_variables, suggest,
    tree::{Data, Node, Path, Place},
};

/// The variables of the runtime itself.
const KNOWN: [&str; 7] = [
    "BUNTIME_CONFIG",
    "BUNTIME_ADMIN_TOKEN",
    "BUNTIME_LOG",
    "BUNTIME_PLUGINS",
    "BUNTIME_PLUGINS_ALLOWLIST",
    "BUNTIME_PLUGINS_ALLOWED_CAPABILITIES",
    "BUNTIME_PLUGINS_FAILURE_MODE",
];

/// A variable of that name, unless it is empty: an empty one is as if not set.
fn given(env: &dyn Env, name: &str) -> Option<String> {
    env.var(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Puts into the tree what the environment and the flags say about keys of the file.
pub(crate) fn apply(
    root: &mut Node,
    env: &dyn Env,
    flags: &[String],
    entries: &Entries<'_>,
    out: &mut Vec<Diagnostic>,
) {
    if !matches!(root.data, Data::Table(_)) {
        return;
    }
    if let Some(host) = given(env, "HOST") {
        set(root, "server", "host", "HOST", Value::String(host));
    }
    if let Some(port) = given(env, "PORT") {
        match port.parse::<u16>() {
            Ok(port) => set(root, "server", "port", "PORT", Value::from(port)),
            Err(_) => out.push(wrong("PORT", format!("`{port}` is not a port")).help("write a number from 0 to 65535")),
        }
    }
    if let Some(token) = given(env, "BUNTIME_ADMIN_TOKEN") {
        set(root, "admin", "token", "BUNTIME_ADMIN_TOKEN", Value::String(token));
    }
    let listed = given(env, "BUNTIME_PLUGINS").unwrap_or_default();
    for name in words(&listed) {
        add_plugin(root, name, &Place::variable("BUNTIME_PLUGINS"));
    }
    for name in flags {
        add_plugin(root, name.trim(), &Place::Outside("--plugin".into()));
    }
    plugin_variables::apply(root, env, entries, out);
    strange_variables(env, out);
}

fn wrong(variable: &str, message: String) -> Diagnostic {
    Diagnostic::error(&Place::variable(variable), &Path::default(), message)
}

fn set(root: &mut Node, table: &str, key: &str, variable: &str, value: Value) {
    let place = Place::variable(variable);
    if let Some(table) = root.table_mut(table, &place) {
        let mut node = Node::outside(&place, value);
        node.tainted = crate::mask::is_secret_name(variable);
        table.set(key, node);
    }
}

/// Lists a plugin, unless it is listed.
fn add_plugin(root: &mut Node, name: &str, place: &Place) {
    let wanted = PluginName::new(name);
    let is_listed = |entry: &Node| EntryParts::of(entry).and_then(|parts| parts.plugin()).as_ref() == Some(&wanted);
    if root.list("plugins").iter().any(is_listed) {
        return;
    }
    if root.get("plugins").is_none() {
        root.set("plugins", Node::new(place.clone(), Data::List(Vec::new())));
    }
    if let Data::Table(members) = &mut root.data
        && let Some(member) = members.iter_mut().find(|member| member.key == "plugins")
        && let Data::List(items) = &mut member.value.data
    {
        items.push(Node::outside(place, Value::String(name.to_owned())));
    }
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ';', ' ', '\n']).map(str::trim).filter(|word| !word.is_empty())
}

/// A `BUNTIME_` variable that means nothing is probably a slip.
fn strange_variables(env: &dyn Env, out: &mut Vec<Diagnostic>) {
    let mut names = env.names();
    names.sort();
    for name in names.iter().filter(|name| name.starts_with("BUNTIME_")) {
        let known = KNOWN.contains(&name.as_str());
        // Settings of plugins are judged apart; tests have variables of their own.
        if known || name.starts_with("BUNTIME_PLUGIN_") || name.starts_with("BUNTIME_TEST_") {
            continue;
        }
        let warning = wrong(name, "no such variable is known; it does nothing".to_owned()).warning();
        out.push(warning.maybe_help(suggest::closest(name, KNOWN).map(|meant| format!("did you mean `{meant}`?"))));
    }
}

/// What only the environment says.
#[derive(Default)]
pub(crate) struct Aside {
    filter: Option<String>,
    policy: PluginPolicy,
    libsql: LibsqlEnvironment,
}

impl Aside {
    /// Reads it, and reports what is wrong with it.
    pub(crate) fn read(env: &dyn Env, entries: &Entries<'_>, out: &mut Vec<Diagnostic>) -> Self {
        let policy = PluginPolicy {
            // Set but empty means none, so these two must not be taken as not set.
            allowlist: env.var("BUNTIME_PLUGINS_ALLOWLIST").map(|list| allowlist(&list, entries, out)),
            allowed_capabilities: env.var("BUNTIME_PLUGINS_ALLOWED_CAPABILITIES").map(|list| capabilities(&list, out)),
            failure_mode: given(env, "BUNTIME_PLUGINS_FAILURE_MODE").and_then(|word| failure_mode(&word, out)),
        };
        Self { filter: given(env, "BUNTIME_LOG"), policy, libsql: libsql(env, out) }
    }

    pub(crate) fn put(self, config: &mut Config) {
        config.log.filter = self.filter;
        config.policy = self.policy;
        config.libsql = self.libsql;
    }
}

fn allowlist(list: &str, entries: &Entries<'_>, out: &mut Vec<Diagnostic>) -> BTreeSet<PluginName> {
    let place = Place::variable("BUNTIME_PLUGINS_ALLOWLIST");
    for word in words(list).filter(|word| !entries.names().contains(&PluginName::new(word))) {
        out.push(entries.unknown_plugin(word, &place, &Path::default()).warning());
    }
    words(list).map(PluginName::new).collect()
}

fn capabilities(list: &str, out: &mut Vec<Diagnostic>) -> BTreeSet<Capability> {
    let mut allowed = BTreeSet::new();
    for word in words(list) {
        match word.parse::<Capability>() {
            Ok(capability) => {
                allowed.insert(capability);
            }
            Err(_) => {
                let known: Vec<&str> = Capability::ALL.iter().map(|capability| capability.as_str()).collect();
                let error = wrong("BUNTIME_PLUGINS_ALLOWED_CAPABILITIES", format!("unknown capability `{word}`"));
                out.push(error.maybe_help(suggest::help(&word.to_ascii_lowercase(), "capabilities", &known)));
            }
        }
    }
    allowed
}

fn failure_mode(word: &str, out: &mut Vec<Diagnostic>) -> Option<FailureMode> {
    let mode = serde_json::from_value(Value::String(word.to_ascii_lowercase())).ok();
    if mode.is_none() {
        let error = wrong("BUNTIME_PLUGINS_FAILURE_MODE", format!("`{word}` is not a failure mode"));
        out.push(error.maybe_help(suggest::help(word, "allowed", &["continue", "abort", "quarantine"])));
    }
    mode
}

fn libsql(env: &dyn Env, out: &mut Vec<Diagnostic>) -> LibsqlEnvironment {
    let urls: Vec<String> = (0..).map_while(|n| given(env, &format!("LIBSQL_URL_{n}"))).collect();
    for (n, url) in urls.iter().enumerate() {
        if url::Url::parse(url).is_err() {
            let error = wrong(&format!("LIBSQL_URL_{n}"), "this is no URL".to_owned());
            out.push(error.help("such as `http://localhost:8880` or `libsql://db.example.com`"));
        }
    }
    LibsqlEnvironment {
        urls: urls.into_iter().map(Secret::new).collect(),
        auth_token: given(env, "LIBSQL_AUTH_TOKEN").map(Secret::new),
    }
}
