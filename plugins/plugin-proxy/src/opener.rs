//! From a rule's settings to a rule that runs.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use buntime_core::{PluginContext, SettingsProblem, services::BaseDir};
use buntime_upstream::{Cluster, ClusterOptions, Clusters, Surroundings, cluster::SetupError};
use tokio_util::sync::CancellationToken;

use crate::{
    config::RuleSettings,
    destination::{Leads, no_service},
    draft::{Draft, Way},
    health::Attempts,
    rule::Rule,
    table::Entry,
};

/// What every rule of one plugin has in common.
#[derive(Clone, Debug)]
pub(crate) struct Opener {
    /// The plugin's name, for what is told of a match.
    plugin: Arc<str>,
    /// Ends relayed connections where no listener says when.
    stopping: CancellationToken,
    around: Surroundings,
    services: Option<Arc<Clusters>>,
    /// Where relative paths begin.
    base: PathBuf,
    kept: Arc<Kept>,
}

/// The clusters of rules by name, through reloads of the plugin and changes of rules: what is known of a target that
/// stays is taken over.
#[derive(Debug, Default)]
struct Kept(Mutex<HashMap<Arc<str>, Weak<Cluster>>>);

/// A service that is not there: what is done about it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The rule is refused: somebody is looking.
    Refuse,
    /// The rule answers 503 until the service is there.
    Wait,
}

impl Opener {
    /// For the rules of that plugin.
    pub(crate) fn new(context: &PluginContext) -> Self {
        let stopping = context.cancelled().clone();
        Self {
            plugin: context.name().package().into(),
            around: Surroundings::new(context.clock().clone(), stopping.clone()),
            stopping,
            services: context.service::<Clusters>(),
            base: context.service::<BaseDir>().map_or_else(PathBuf::new, |base| base.0.clone()),
            kept: context.keep("clusters", Kept::default),
        }
    }

    /// The clusters of services, if this program has services.
    pub(crate) fn services(&self) -> Option<&Arc<Clusters>> {
        self.services.as_ref()
    }

    /// Opens a rule whose settings stand at `place`, a JSON pointer.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn open(
        &self,
        place: &str,
        id: &str,
        name: &str,
        settings: RuleSettings,
        missing: Missing,
    ) -> Result<Entry, Vec<SettingsProblem>> {
        let draft = Draft::read(place, &settings)?;
        let label: Arc<str> = format!("proxy:{name}").into();
        let leads = self
            .leads(&label, &draft.way, missing)
            .map_err(|(key, what)| vec![SettingsProblem::new(format!("{place}/{key}"), what)])?;
        let rule = Rule::new(id, label, settings, draft, leads, self.stopping.clone());
        Ok(Entry::new(rule, &self.plugin))
    }

    /// What is wrong is told with the key that says it.
    fn leads(&self, label: &Arc<str>, way: &Way, missing: Missing) -> Result<Leads, (&'static str, String)> {
        // What is left to find is what only this machine knows, such as its certificate authorities.
        let said = |key| move |error: SetupError| (key, error.to_string());
        match way {
            Way::Target(target, options) => {
                let open = |before: Option<&Cluster>| {
                    Cluster::single(label, target.url.clone(), options, &self.around, before)
                };
                Ok(Leads::Target(self.kept.take_over(label, open).map_err(said("target"))?, Attempts::default()))
            }
            Way::Upstream(settings) => {
                let mut settings = settings.clone();
                settings.resolve_paths(&self.base);
                let open = |before: Option<&Cluster>| {
                    Cluster::open(label, &settings, &ClusterOptions::of(&settings), &self.around, before)
                };
                Ok(Leads::Upstream(self.kept.take_over(label, open).map_err(said("upstream"))?))
            }
            Way::Service(name) => {
                let Some(services) = &self.services else {
                    let what = "this program has no services; write the address as `target`";
                    return Err(("service", what.to_owned()));
                };
                if missing == Missing::Refuse && services.get(name).is_none() {
                    return Err(("service", no_service(name, services)));
                }
                Ok(Leads::Service(services.clone(), name.clone()))
            }
        }
    }
}

impl Kept {
    /// Opens a cluster with what is known of the last one of that name.
    fn take_over<E>(
        &self,
        name: &Arc<str>,
        open: impl FnOnce(Option<&Cluster>) -> Result<Arc<Cluster>, E>,
    ) -> Result<Arc<Cluster>, E> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.get(name).and_then(Weak::upgrade);
        let cluster = open(before.as_deref())?;
        // The dead are counted out now and then, not each time.
        if kept.len() == kept.capacity() {
            kept.retain(|_, cluster| cluster.strong_count() > 0);
        }
        kept.insert(name.clone(), Arc::downgrade(&cluster));
        Ok(cluster)
    }
}
