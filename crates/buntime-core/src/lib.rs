//! The plugin API of Buntime: metadata, hooks, exchanges, order, lifecycle, errors and events.
//!
//! Nothing here knows of a server, a database, wasm or a provider. What a plugin author and an operator may rely on
//! stands in `CONTRACT.md` beside this crate's manifest, one rule a line, each with the test that holds it.
//!
//! - A [`Plugin`] has [`Metadata`] and is started by a [`Host`]; what it offers it registers on
//!   [`Startup`].
//! - [`Hooks`] see an exchange at its stages; a [`Chain`](chain::Chain) is the frozen, ordered list of them.
//! - The executor ([`Chain::run`](chain::Chain::run)) serves any [`Kind`]; [`Http`] is the first.

pub mod breaker;
pub mod chain;
pub mod clock;
pub mod consumers;
pub mod cx;
pub mod error;
pub mod events;
mod exec;
pub mod health;
pub mod hooks;
pub mod host;
pub mod http_kind;
pub mod kind;
mod layer;
mod link;
pub mod measure;
pub mod merge;
pub mod metadata;
pub mod options;
pub mod plugin;
pub mod problem;
pub mod roster;
pub mod scope;
pub mod services;
pub mod settings;
pub mod stats;
pub mod step;
pub mod units;
pub mod upstreams;
pub mod values;

pub use clock::Clock;
pub use consumers::{ConsumerMatch, Consumers, KeyDigest};
pub use cx::{Cx, HookRecord, Matched, Meta};
pub use error::{AttemptReport, BoxError, Error, ErrorKind, Retry, Source};
pub use exec::{
    attempts::{Attempts, Target},
    run::Answer,
    tail::Tail,
};
pub use health::{Finding, HealthChecks};
pub use hooks::{Changes, Completion, Direction, Ended, HookSet, Hooks, Stage, Stages};
pub use host::{
    Host, HostBuilder, HostView,
    change::Changed,
    live::{Live, Mount},
    load_error::LoadError,
    plan::normalize_base,
    program::{Attached, Catalog, Entry, Policy, Program},
};
pub use http_kind::{Http, HttpRequest, HttpResponse, Upgrade, WsMessage};
pub use kind::{Carrier, Head, Kind};
pub use layer::{ChainLayer, ChainService, ServiceHandler};
pub use metadata::{Capability, Metadata, PluginName};
pub use options::Exposure;
pub use plugin::{Access, Menu, Plugin, PluginContext, RouteMatch, RouteSource, Startup};
pub use problem::Violation;
pub use roster::Roster;
pub use scope::{ConsumerScope, GroupScope, RouteScope, Scope, Scopes, ServiceScope};
pub use services::Services;
pub use settings::{NoSettings, Settings, SettingsProblem, SettingsSpec};
pub use step::{BoxFuture, Flow, Handler, HandlerFn, OnFailure, Post, Pre, Step, handler_fn};
pub use values::Identity;
