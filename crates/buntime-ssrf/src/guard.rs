//! The judge: first what is written, then what it resolves to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::time::timeout;

use crate::{
    address::plain,
    policy::Policy,
    refused::{Refused, Unresolved},
    resolver::{Resolver, SystemResolver},
    target::{Host, Target},
    url_text,
};

/// How long a name may take to resolve.
const PATIENCE: Duration = Duration::from_secs(5);

/// Names with more addresses than that are refused: each is judged, and nobody needs so many.
const MOST_ANSWERS: usize = 256;

/// Judges where calls may go. Cheap to clone; clones share.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: ArcSwap<Policy>,
    resolver: Arc<dyn Resolver>,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

impl Guard {
    /// A guard with those rules that asks the system's resolver.
    pub fn new(policy: impl Into<Policy>) -> Self {
        Self::with_resolver(policy, Arc::new(SystemResolver))
    }

    /// A guard that asks another resolver. The rules for what it answers are the same.
    pub fn with_resolver(policy: impl Into<Policy>, resolver: Arc<dyn Resolver>) -> Self {
        Self(Arc::new(Inner { policy: ArcSwap::from_pointee(policy.into()), resolver }))
    }

    /// Other rules from now on, for every clone. A call that is under way is judged by them at its next redirect.
    pub fn replace(&self, policy: impl Into<Policy>) {
        self.0.policy.store(Arc::new(policy.into()));
    }

    /// Judges what is written, without the network. Of a name that passes its addresses are still to be judged:
    /// [`Guard::check`].
    ///
    /// # Errors
    /// Why it is refused.
    pub fn judge(&self, url: &str) -> Result<Target, Refused> {
        let target = url_text::read(url)?;
        self.0.policy.load().judge(&target)?;
        Ok(target)
    }

    /// Judges what is written and every address it resolves to, and pins those for the connection.
    ///
    /// # Errors
    /// Why it is refused; so is what does not resolve.
    pub async fn check(&self, url: &str) -> Result<Pinned, Refused> {
        let target = self.judge(url)?;
        let name = match &target.host {
            Host::Ip(address) => {
                let addresses = vec![SocketAddr::new(*address, target.port)];
                return Ok(Pinned { target, addresses });
            }
            Host::Name(name) => name,
        };
        let answers = self.resolve(name).await?;
        self.0.policy.load().judge_answers(&target, name, &answers)?;
        let mut addresses: Vec<SocketAddr> = Vec::with_capacity(answers.len());
        for answer in answers {
            let address = SocketAddr::new(plain(answer), target.port);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(Pinned { target, addresses })
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Refused> {
        let because = |why| Refused::Unresolved { name: name.to_owned(), why };
        let answers = timeout(PATIENCE, self.0.resolver.resolve(name)).await;
        let answers = answers.map_err(|_| because(Unresolved::Timeout))?;
        let answers = answers.map_err(|error| because(Unresolved::Failed(Arc::new(error))))?;
        match answers.len() {
            0 => Err(because(Unresolved::Empty)),
            1..=MOST_ANSWERS => Ok(answers),
            _ => Err(because(Unresolved::TooMany(MOST_ANSWERS))),
        }
    }
}

/// A URL that was judged, with the addresses that were judged. A connection goes to one of these, and nobody is asked
/// again: what the name resolves to later has no effect.
#[derive(Clone, Debug)]
pub struct Pinned {
    pub(crate) target: Target,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Pinned {
    /// The URL.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Its addresses, at least one, the preferred ones first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}
