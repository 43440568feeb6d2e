//! The shell of micro-frontends: a program that draws the frame around others. It gets what a browser navigates to; what
//! the frame then asks for (an `iframe`, scripts, calls) goes to whoever has the path.

pub(crate) mod excludes;
mod hooks;
mod judge;

use std::sync::Arc;

use buntime_config::model::TargetUrl;
use buntime_core::{BoxError, Handler, Http, PluginContext};
use buntime_upstream::{Cluster, ClusterOptions, ForwardOptions, RouteOptions, ServiceRoute, Surroundings};
use http::{HeaderName, HeaderValue};

use self::excludes::Excludes;
pub(crate) use self::hooks::ShellHooks;

/// Tells the shell where it stands.
const BASE: HeaderName = HeaderName::from_static("x-base");

/// On an exchange whose answer is the shell's: it is not what else is at that path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsShells;

/// The shell of an instance.
#[derive(Clone)]
pub(crate) struct Shell {
    pub(crate) target: Arc<str>,
    pub(crate) excludes: Arc<Excludes>,
    handler: Arc<dyn Handler<Http>>,
}

impl Shell {
    /// That of checked settings.
    ///
    /// # Errors
    /// If the target is none.
    pub(crate) fn open(context: &PluginContext, target: &str, excludes: Arc<Excludes>) -> Result<Self, BoxError> {
        let url: TargetUrl = target.parse()?;
        let stopping = context.cancelled().clone();
        let around = Surroundings::new(context.clock().clone(), stopping.clone());
        let cluster = Cluster::single("gateway:shell", url, &ClusterOptions::default(), &around, None)?;
        let forward = ForwardOptions {
            set: [(BASE, HeaderValue::from_static("/"))].into(),
            websockets: false,
            stopping,
            ..ForwardOptions::default()
        };
        let handler = ServiceRoute::new(cluster, RouteOptions { strip: Vec::new(), forward });
        Ok(Self { target: target.into(), excludes, handler })
    }
}
