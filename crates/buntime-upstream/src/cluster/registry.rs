//! All clusters of a program by name, swapped whole.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use buntime_core::upstreams::{UpstreamReading, Upstreams};

use super::Cluster;

/// All clusters of a program by name: what plugins and the admin API look them up in.
#[derive(Debug, Default)]
pub struct Clusters(ArcSwap<BTreeMap<Arc<str>, Arc<Cluster>>>);

impl Clusters {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cluster of that name.
    pub fn get(&self, name: &str) -> Option<Arc<Cluster>> {
        self.0.load().get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Cluster>> {
        self.0.load().values().cloned().collect()
    }

    /// These are all from now on. What is not among them ends when the last who holds it lets go.
    pub fn replace(&self, clusters: impl IntoIterator<Item = Arc<Cluster>>) {
        self.0.store(Arc::new(clusters.into_iter().map(|cluster| (Arc::clone(cluster.name()), cluster)).collect()));
    }
}

impl Upstreams for Clusters {
    fn read(&self) -> Vec<UpstreamReading> {
        self.0.load().values().map(|cluster| cluster.report().reading()).collect()
    }
}
