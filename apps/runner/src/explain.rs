//! What would happen to a request, and why: what claims it, which chain it runs, where each setting came from. For
//! `GET /api/explain` and `runner explain`.

use axum::body::Body;
use buntime_config::{Config, PluginEntry, mask_merged, model::Scope as Listed};
use buntime_core::{Access, Error, ErrorKind, Scope, host::explain::Explanation};
use buntime_http::path::normalize_uri;
use http::{HeaderValue, Method, Request, Uri, header, request};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gateway::{frozen::Frozen, locate};

/// The request that is asked about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// Default `GET`.
    pub(crate) method: Option<String>,
    /// Default `localhost`.
    pub(crate) host: Option<String>,
    /// A path, perhaps with a query. Default `/`.
    pub(crate) path: Option<String>,
    /// Its name; nobody known if left out.
    pub(crate) consumer: Option<String>,
}

/// What a request runs through.
enum Runs {
    /// Nothing at all.
    Nothing,
    /// Those that only look.
    Observers,
    /// The whole chain of the gateway, or of a route.
    Chain,
}

impl Asked {
    /// # Errors
    /// What is not a request, and a consumer that is not configured.
    pub(crate) async fn explain(&self, frozen: &Frozen, config: &Config) -> Result<Value, Error> {
        let head = self.head()?;
        let consumer = self.consumer.as_deref().filter(|name| !name.is_empty());
        if let Some(name) = consumer
            && !config.consumers.iter().any(|one| one.name == name)
        {
            return Err(Error::new(ErrorKind::NotFound).with_detail(format!("No consumer `{name}` is configured")));
        }
        let (what, runs) = claims(frozen, &head);
        let route = frozen.route_of(&head).filter(|_| what["type"] == "service");
        let route = route.map(|leads| (&*leads.service, &*leads.route));
        let explanation = frozen.live.explain(route, consumer).await?;
        let mut answer = shown(explanation, &runs, config);
        answer["request"] = json!({
            "method": head.method.as_str(),
            "host": head.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
            "path": head.uri.path(),
            "consumer": consumer,
        });
        answer["route"] = what;
        answer["runs"] = json!(match runs {
            Runs::Nothing => "nothing",
            Runs::Observers => "observers",
            Runs::Chain => "chain",
        });
        Ok(answer)
    }

    fn head(&self) -> Result<request::Parts, Error> {
        let malformed = |detail: &'static str| Error::new(ErrorKind::Malformed).with_detail(detail);
        let method = self.method.as_deref().unwrap_or("GET");
        let method: Method = method.to_uppercase().parse().map_err(|_| malformed("`method` is no HTTP method"))?;
        let path = self.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
        let no_path = || malformed("`path` is no path; it begins with a `/` and is encoded as in a URL");
        let uri: Uri = path.parse().ok().filter(|_| path.starts_with('/')).ok_or_else(no_path)?;
        let host = HeaderValue::from_str(self.host.as_deref().unwrap_or("localhost"));
        let host = host.ok().filter(|host| host.to_str().is_ok_and(|host| !host.is_empty()));
        let host = host.ok_or_else(|| malformed("`host` cannot be a host"))?;
        let normal = normalize_uri(&uri)?.unwrap_or(uri);
        let request = Request::builder().method(method).uri(normal).header(header::HOST, host).body(Body::empty());
        Ok(request.map_err(|_| malformed("This is no request"))?.into_parts().0)
    }
}

/// What a request belongs to, in the order of the gateway's own matching.
fn claims(frozen: &Frozen, head: &request::Parts) -> (Value, Runs) {
    let path = head.uri.path();
    let own = |label: &str| json!({ "type": "runtime", "label": label });
    match path {
        "/livez" | "/readyz" => return (own(path), Runs::Nothing),
        "/.well-known/buntime" => return (own("well-known"), Runs::Observers),
        _ if locate::is_below(path, "/api") => return (own("api"), Runs::Observers),
        _ if locate::is_below(path, "/p") => {
            let Some(base) = frozen.base(path) else { return (unmatched(), Runs::Chain) };
            let mounts = frozen.live.mounts();
            let data = mounts.iter().any(|mount| *mount.base == *base.path && mount.access == Access::Data);
            let what = json!({ "type": "plugin", "label": &*base.matched.label,
                "plugin": base.matched.plugin.as_deref(), "base": &*base.path });
            return (what, if data { Runs::Chain } else { Runs::Observers });
        }
        _ => {}
    }
    if let Some(leads) = frozen.route_of(head) {
        let what = json!({ "type": "service", "label": &*leads.matched.label, "service": &*leads.service,
            "route": &*leads.route, "public": leads.matched.public });
        return (what, Runs::Chain);
    }
    match frozen.claimed(head) {
        Some(claimed) => {
            let what = json!({ "type": "source", "label": &*claimed.matched.label,
                "plugin": claimed.matched.plugin.as_deref(), "public": claimed.matched.public });
            (what, Runs::Chain)
        }
        None if matches!(path, "/" | "/favicon.ico") => (own("root"), Runs::Observers),
        None => (unmatched(), Runs::Chain),
    }
}

fn unmatched() -> Value {
    json!({ "type": "none", "label": "unmatched" })
}

/// The explanation without secrets, and without what does not run.
fn shown(mut explanation: Explanation, runs: &Runs, config: &Config) -> Value {
    match runs {
        Runs::Chain => {}
        Runs::Observers => explanation.chain.retain(|standing| standing.observer),
        Runs::Nothing => explanation.chain.clear(),
    }
    for standing in &mut explanation.chain {
        let said = |entry: &&PluginEntry| {
            entry.name.as_str() == &*standing.plugin
                && standing.configured_by.iter().any(|scope| is_of(&entry.scope, scope))
        };
        mask_merged(&mut standing.settings, config.entries().filter(said));
    }
    serde_json::to_value(&explanation).unwrap_or_default()
}

/// Is what a file calls a scope what the core calls it?
pub(crate) fn is_of(listed: &Listed, scope: &Scope) -> bool {
    match (listed, scope) {
        (Listed::Gateway, Scope::Gateway) => true,
        (Listed::Service(name), Scope::Service(wanted))
        | (Listed::ConsumerGroup(name), Scope::ConsumerGroup(wanted))
        | (Listed::Consumer(name), Scope::Consumer(wanted)) => **name == **wanted,
        (Listed::Route { service, route }, Scope::Route(of, wanted)) => **service == **of && **route == **wanted,
        _ => false,
    }
}
