//! Names to addresses, behind a trait so that tests have their own names.

use std::{fmt, io, net::IpAddr};

use buntime_core::BoxFuture;
use tokio::net::lookup_host;

/// Asks for the addresses of a name.
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// All of its addresses, the preferred ones first. `name` is in lower case, ASCII, without a last dot.
    ///
    /// # Errors
    /// The name does not exist, or nobody could say. Either is a refusal.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver, with its hosts file and its cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}
