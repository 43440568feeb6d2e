//! The service that plugins get: one guard and one client for the whole program.

use crate::{
    client::{ClientOptions, GuardedClient},
    guard::Guard,
    policy::Policy,
};

/// Outbound calls of a program. A service of the host: a plugin takes it with `require::<Outbound>()`.
///
/// What the operator wrote in the configuration goes through [`GuardedClient::send_trusted`]; whatever a request, a
/// token, an answer or a redirect names goes through [`GuardedClient::send`].
#[derive(Clone, Debug)]
pub struct Outbound {
    client: GuardedClient,
}

impl Outbound {
    /// With those rules, the system's resolver and the default options.
    pub fn new(policy: impl Into<Policy>) -> Self {
        Self::from(GuardedClient::with_options(Guard::new(policy), ClientOptions::default()))
    }

    /// Judges addresses.
    pub fn guard(&self) -> &Guard {
        self.client.guard()
    }

    /// Calls them.
    pub fn client(&self) -> &GuardedClient {
        &self.client
    }
}

impl Default for Outbound {
    /// Public addresses alone.
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

impl From<GuardedClient> for Outbound {
    /// With a client that was made otherwise.
    fn from(client: GuardedClient) -> Self {
        Self { client }
    }
}
