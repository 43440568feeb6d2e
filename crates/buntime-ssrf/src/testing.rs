//! For tests: connections to an address that was judged end at a server of the test.
//!
//! Judging is untouched: loopback is refused in tests as everywhere. What changes is the last step, from the pinned
//! address to the socket, so that a test shows which address was pinned. Only with the feature `testing`, which no
//! program has.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
};

use buntime_core::BoxFuture;

use crate::resolver::Resolver;

/// Pinned addresses, and where their connections end instead.
#[derive(Debug, Default)]
pub struct Detours(Mutex<HashMap<SocketAddr, SocketAddr>>);

impl Detours {
    pub(crate) fn of(&self, pinned: SocketAddr) -> SocketAddr {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&pinned).unwrap_or(&pinned)
    }

    pub(crate) fn add(&self, pinned: SocketAddr, really: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(pinned, really);
    }
}

/// Names of a test. Each question takes the next of a name's answers; the last one stays.
#[derive(Debug, Default)]
pub struct FakeNames(Mutex<HashMap<String, Answers>>);

#[derive(Debug, Default)]
struct Answers {
    left: Vec<Vec<IpAddr>>,
    asked: usize,
}

impl FakeNames {
    /// No names: nothing resolves.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more answer for that name.
    ///
    /// # Panics
    /// If something in it is no address.
    #[must_use]
    pub fn with(self, name: &str, addresses: &[&str]) -> Self {
        let read = |text: &&str| text.parse().unwrap_or_else(|_| panic!("{text} is no address"));
        let addresses = addresses.iter().map(read).collect();
        self.names().entry(name.to_owned()).or_default().left.push(addresses);
        self
    }

    /// How often somebody asked for it.
    pub fn asked(&self, name: &str) -> usize {
        self.names().get(name).map_or(0, |answers| answers.asked)
    }

    fn names(&self) -> std::sync::MutexGuard<'_, HashMap<String, Answers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for FakeNames {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut names = self.names();
        let answer = names.get_mut(name).map(|answers| {
            answers.asked += 1;
            if answers.left.len() > 1 {
                answers.left.remove(0)
            } else {
                answers.left.first().cloned().unwrap_or_default()
            }
        });
        Box::pin(async move { answer.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name")) })
    }
}
