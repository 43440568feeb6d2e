//! `services` and their routes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Headers, HostPattern, MethodName, PluginEntry, RoutePath, Upstream};

/// An upstream service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Its name; no two services share one.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// Where its requests go.
    pub upstream: Upstream,
    /// What it configures for all its routes.
    #[serde(default)]
    pub plugins: Vec<PluginEntry>,
    /// Which requests are its.
    #[serde(default)]
    pub routes: Vec<Route>,
}

/// Requests that belong to a service: those that match a host, a path, a method and every header of the ones given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Its name; no two routes of a service share one.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// Hosts, exact or `*.example.org`; none is any.
    #[serde(default)]
    pub hosts: Vec<HostPattern>,
    /// Paths, each with everything below it; `~` begins a regular expression; none is any.
    #[serde(default)]
    pub paths: Vec<RoutePath>,
    /// Methods; none is any.
    #[serde(default)]
    pub methods: Vec<MethodName>,
    /// Headers that must have these values.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "format": "header-name" }))]
    pub headers: Headers,
    /// Is the matched path removed before the request is forwarded? Default false.
    #[serde(default)]
    pub strip_path: bool,
    /// Is the client's `Host` forwarded instead of the target's? Default false.
    #[serde(default)]
    pub preserve_host: bool,
    /// Does it need no identity? Default false.
    #[serde(default)]
    pub public: bool,
    /// What it configures.
    #[serde(default)]
    pub plugins: Vec<PluginEntry>,
}
