//! What a schema cannot say: names that must be unique or exist, weights, bases, keys that do nothing yet.
//!
//! Works on the tree and takes what it finds, so that it can run although other parts of the file are wrong.

use std::collections::{BTreeMap, HashMap};

use buntime_core::metadata::PluginName;

use crate::{
    catalog::PluginCatalog,
    diagnostics::{Diagnostic, Problem, Severity},
    entries::{EntryParts, suggest_plugin},
    formats,
    lexer::short,
    suggest,
    tree::{Data, Member, Node, Path, Place},
    upstreams,
};

/// Reports everything that only shows when the parts of the file are seen together.
pub(crate) fn check(root: &Node, catalog: &dyn PluginCatalog, out: &mut Vec<Diagnostic>) {
    idle_keys(root, out);
    trusted_proxies(root, out);
    outbound(root, out);
    gateway_bases(root, catalog, out);
    required(root, &catalog.names(), out);
    unique_entries(root, &mut Path::default(), out);
    unique_names(root, "services", "service", out);
    unique_names(root, "consumerGroups", "group", out);
    unique_names(root, "consumers", "consumer", out);
    services(root, out);
    consumers(root, out);
}

fn idle_keys(root: &Node, out: &mut Vec<Diagnostic>) {
    for key in ["workspaces", "poolSize", "homepage"] {
        if let Some(member) = root.member(key) {
            let message = format!("`{key}` does nothing yet: this version runs no app workers");
            out.push(Diagnostic::error(&member.key_place, &Path::new(&format!("/{key}")), message).warning());
        }
    }
}

fn trusted_proxies(root: &Node, out: &mut Vec<Diagnostic>) {
    let Some(server) = root.get("server") else { return };
    for (index, node) in server.list("trustedProxies").iter().enumerate() {
        if node.text().and_then(|text| formats::cidr(text).ok()).is_some_and(|net| net.prefix_len() == 0) {
            let message = "every client is trusted to say what its address is";
            let path = Path::new(&format!("/server/trustedProxies/{index}"));
            out.push(
                Diagnostic::error(&node.place, &path, message)
                    .help("list the addresses of your proxies alone")
                    .warning(),
            );
        }
    }
}

fn outbound(root: &Node, out: &mut Vec<Diagnostic>) {
    let Some(outbound) = root.get("outbound") else { return };
    for (index, node) in outbound.list("allowCidrs").iter().enumerate() {
        if node.text().is_some_and(|text| text.trim_end().ends_with("/0")) {
            let message = "every private network may be called by whoever can name an address";
            let path = Path::new(&format!("/outbound/allowCidrs/{index}"));
            let help = "list the networks that must be called alone";
            out.push(Diagnostic::error(&node.place, &path, message).help(help).warning());
        }
    }
}

fn gateway_bases(root: &Node, catalog: &dyn PluginCatalog, out: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<String, PluginName> = BTreeMap::new();
    for (index, node) in root.list("plugins").iter().enumerate() {
        let Some(parts) = EntryParts::of(node).filter(EntryParts::is_enabled) else { continue };
        let Some(name) = parts.plugin() else { continue };
        let said = parts.option("base");
        let written = said.and_then(Node::text).map(str::to_owned).or_else(|| catalog.default_base(&name));
        let Ok(base) = formats::plugin_base(written.as_deref().unwrap_or(name.bare())) else { continue };
        match taken.get(&base) {
            Some(other) if *other != name => {
                let place = said.map_or(&parts.name.place, |node| &node.place);
                let message = format!("the plugins `{other}` and `{name}` are both at `{base}`");
                let error = Diagnostic::error(place, &Path::new(&format!("/plugins/{index}")), message);
                out.push(error.help("give one of them another `base`"));
            }
            Some(_) => {}
            None => {
                taken.insert(base, name);
            }
        }
    }
}

fn required(root: &Node, known: &[PluginName], out: &mut Vec<Diagnostic>) {
    let entries: Vec<EntryParts<'_>> = root.list("plugins").iter().filter_map(EntryParts::of).collect();
    let listed: Vec<PluginName> = entries.iter().filter_map(EntryParts::plugin).collect();
    for (index, node) in root.list("required").iter().enumerate() {
        let Some(spelling) = node.text() else { continue };
        let name = PluginName::new(spelling);
        let path = Path::new(&format!("/required/{index}"));
        match entries.iter().find(|parts| parts.plugin().as_ref() == Some(&name)) {
            None => {
                let message = format!("`{}` is required, but not listed in `plugins`", short(spelling));
                let slip = suggest_plugin(spelling, &listed, "").filter(|help| help.starts_with("did you mean"));
                let help = slip.filter(|_| !known.contains(&name));
                let error =
                    Diagnostic::error(&node.place, &path, message).help("list it in `plugins`, or remove it here");
                out.push(error.maybe_help(help));
            }
            Some(parts) if !parts.is_enabled() => {
                let message = format!("`{name}` is required, but its entry says `enabled: false`");
                out.push(Diagnostic::error(&node.place, &path, message));
            }
            Some(_) => {}
        }
    }
}

/// No `plugins` list names a plugin twice.
fn unique_entries(node: &Node, path: &mut Path, out: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<PluginName, ()> = HashMap::new();
    for (index, entry) in node.list("plugins").iter().enumerate() {
        let Some(parts) = EntryParts::of(entry) else { continue };
        let Some(name) = parts.plugin() else { continue };
        if seen.insert(name.clone(), ()).is_some() {
            let message = format!("the plugin `{name}` is listed twice");
            let at = Path::new(&format!("{}/plugins/{index}", path.as_str()));
            out.push(
                Diagnostic::error(&parts.name.place, &at, message)
                    .help("all spellings of a name are the same plugin; remove one entry"),
            );
        }
    }
    for key in ["services", "routes", "consumerGroups", "consumers"] {
        for (index, item) in node.list(key).iter().enumerate() {
            path.with_key(key, |path| path.with_index(index, |path| unique_entries(item, path, out)));
        }
    }
}

fn unique_names(parent: &Node, list: &str, what: &str, out: &mut Vec<Diagnostic>) {
    unique_names_at(parent, list, what, &Path::default(), out);
}

fn unique_names_at(parent: &Node, list: &str, what: &str, path: &Path, out: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<&str, ()> = HashMap::new();
    for (index, item) in parent.list(list).iter().enumerate() {
        let Some(node) = item.get("name") else { continue };
        let Some(name) = node.text() else { continue };
        if seen.insert(name, ()).is_some() {
            let at = Path::new(&format!("{}/{list}/{index}/name", path.as_str()));
            out.push(Diagnostic::error(&node.place, &at, format!("there are two {what}s named `{}`", short(name))));
        }
    }
}

fn services(root: &Node, out: &mut Vec<Diagnostic>) {
    let mut routes: HashMap<String, String> = HashMap::new();
    for (index, service) in root.list("services").iter().enumerate() {
        let path = Path::new(&format!("/services/{index}"));
        let name = service.word("name").unwrap_or("?");
        unique_names_at(service, "routes", "route", &path, out);
        if let Some(upstream) = service.get("upstream") {
            check_upstream(upstream, &Path::new(&format!("{}/upstream", path.as_str())), out);
        }
        let is_named = || service.word("name").is_some_and(|name| names_service(root, name));
        if matches!(service.data, Data::Table(_)) && service.list("routes").is_empty() && !is_named() {
            let message = "this service has no routes and no plugin names it, so nothing reaches it";
            out.push(Diagnostic::error(&service.place, &path, message).warning());
        }
        for (r, route) in service.list("routes").iter().enumerate() {
            let path = Path::new(&format!("{}/routes/{r}", path.as_str()));
            header_values(route, &path, out);
            same_route(route, name, &mut routes, &path, out);
        }
    }
}

/// Does any plugin's setting `service` name it?
fn names_service(node: &Node, name: &str) -> bool {
    let of_member = |member: &Member| {
        (member.key == "service" && member.value.text() == Some(name)) || names_service(&member.value, name)
    };
    node.members().iter().any(of_member) || node.items().iter().any(|item| names_service(item, name))
}

fn header_values(route: &Node, path: &Path, out: &mut Vec<Diagnostic>) {
    for member in route.get("headers").map_or(&[][..], Node::members) {
        if member.value.text().is_some_and(|text| formats::check("header-value", text).is_err()) {
            let mut at = Path::new(&format!("{}/headers", path.as_str()));
            at.with_key(&member.key, |at| {
                out.push(Diagnostic::error(&member.value.place, at, "this cannot be the value of a header"));
            });
        }
    }
}

/// Two routes with the same conditions: the second never gets a request.
fn same_route(route: &Node, service: &str, seen: &mut HashMap<String, String>, path: &Path, out: &mut Vec<Diagnostic>) {
    let Some(name) = route.get("name") else { return };
    let list = |key: &str, fold: fn(&str) -> String| {
        let mut words: Vec<String> = route.list(key).iter().filter_map(Node::text).map(fold).collect();
        words.sort();
        words
    };
    let mut headers: Vec<(String, String)> = route
        .get("headers")
        .map_or(&[][..], Node::members)
        .iter()
        .filter_map(|member| Some((member.key.to_ascii_lowercase(), member.value.text()?.to_owned())))
        .collect();
    headers.sort();
    let trim = |path: &str| path.trim_end_matches('/').to_owned();
    let key = format!(
        "{:?}{:?}{:?}{headers:?}",
        list("hosts", str::to_ascii_lowercase),
        list("paths", trim),
        list("methods", str::to_owned)
    );
    let this = format!("{}/{}", short(service), short(name.text().unwrap_or("?")));
    if let Some(other) = seen.get(&key) {
        let message = format!("this route matches the same requests as `{other}` and would never get one");
        out.push(Diagnostic::error(&name.place, path, message));
    } else {
        seen.insert(key, this);
    }
}

fn check_upstream(upstream: &Node, path: &Path, out: &mut Vec<Diagnostic>) {
    for Problem { severity, pointer, message, help } in upstreams::problems(&upstream.to_json()) {
        let place = upstream.locate(&pointer, severity == Severity::Warning);
        let at = Path::new(&format!("{}{pointer}", path.as_str()));
        out.push(Diagnostic { severity, ..Diagnostic::error(&place, &at, message).maybe_help(help) });
    }
}

fn consumers(root: &Node, out: &mut Vec<Diagnostic>) {
    let groups: Vec<&str> = root.list("consumerGroups").iter().filter_map(|group| group.word("name")).collect();
    let mut keys: HashMap<&str, &str> = HashMap::new();
    for (index, consumer) in root.list("consumers").iter().enumerate() {
        let path = Path::new(&format!("/consumers/{index}"));
        let name = consumer.word("name").unwrap_or("?");
        check_groups(consumer, &groups, &path, out);
        if matches!(consumer.data, Data::Table(_)) && consumer.list("match").is_empty() {
            let message = "this consumer has no `match`, so it is never recognised";
            out.push(Diagnostic::error(&consumer.place, &path, message).warning());
        }
        for (m, found) in consumer.list("match").iter().enumerate() {
            let at = Path::new(&format!("{}/match/{m}", path.as_str()));
            check_match(found, &at, out);
            let Some(key) = found.get("apiKey") else { continue };
            // As it is looked up: what stands around a key is no part of it.
            let Some(text) = key.text().map(str::trim).filter(|text| !text.is_empty()) else { continue };
            if let Some(other) = keys.insert(text, name) {
                let message = format!("the consumers `{}` and `{}` have the same key", short(other), short(name));
                out.push(Diagnostic::error(&key.place, &at, message));
            }
        }
    }
}

fn check_groups(consumer: &Node, groups: &[&str], path: &Path, out: &mut Vec<Diagnostic>) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, node) in consumer.list("groups").iter().enumerate() {
        let Some(name) = node.text() else { continue };
        let at = Path::new(&format!("{}/groups/{index}", path.as_str()));
        if !groups.contains(&name) {
            let error = Diagnostic::error(&node.place, &at, format!("there is no consumer group `{}`", short(name)));
            let help = suggest::help(name, "groups", groups);
            out.push(error.maybe_help(help.or_else(|| Some("add it to `consumerGroups`".to_owned()))));
        } else if seen.contains(&name) {
            out.push(Diagnostic::error(&node.place, &at, format!("the group `{}` is listed twice", short(name))));
        }
        seen.push(name);
    }
}

/// Nothing may be recognised by an empty word: it would match whoever says nothing.
fn check_match(found: &Node, path: &Path, out: &mut Vec<Diagnostic>) {
    let empty = |place: &Place, message: &str| Diagnostic::error(place, path, message);
    for key in ["apiKey", "sub"] {
        if let Some(node) = found.get(key).filter(|node| node.text().is_some_and(|text| text.trim().is_empty())) {
            out.push(empty(&node.place, &format!("`{key}` must not be empty")));
        }
    }
    if let Some(claim) =
        found.get("claim").filter(|node| matches!(&node.data, Data::Table(members) if members.is_empty()))
    {
        out.push(empty(&claim.place, "`claim` must name at least one claim"));
    }
}
