//! The five levels that may list plugins, from general to specific, and what each of them lists.

use std::{fmt, sync::Arc};

use crate::{consumers::ConsumerMatch, host::program::Entry};

/// Where an entry or an instance stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// For all that comes in.
    #[default]
    Gateway,
    /// For one service.
    Service(Arc<str>),
    /// For one route of a service: the service's name and the route's.
    Route(Arc<str>, Arc<str>),
    /// For a group of consumers.
    ConsumerGroup(Arc<str>),
    /// For one consumer.
    Consumer(Arc<str>),
}

impl Scope {
    /// Is it known only once it is known who calls?
    pub fn is_of_consumers(&self) -> bool {
        matches!(self, Self::ConsumerGroup(_) | Self::Consumer(_))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("the gateway"),
            Self::Service(service) => write!(f, "the service `{service}`"),
            Self::Route(service, route) => write!(f, "the route `{service}/{route}`"),
            Self::ConsumerGroup(group) => write!(f, "the consumer group `{group}`"),
            Self::Consumer(consumer) => write!(f, "the consumer `{consumer}`"),
        }
    }
}

/// What the levels below the gateway list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scopes {
    /// Services with their routes.
    pub services: Vec<ServiceScope>,
    /// Groups of consumers.
    pub groups: Vec<GroupScope>,
    /// Consumers.
    pub consumers: Vec<ConsumerScope>,
}

/// A service and what it lists.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceScope {
    /// Its name.
    pub name: Arc<str>,
    /// In the order of the configuration.
    pub entries: Vec<Entry>,
    /// Its routes.
    pub routes: Vec<RouteScope>,
}

/// A route and what it lists.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteScope {
    /// Its name.
    pub name: Arc<str>,
    /// In the order of the configuration.
    pub entries: Vec<Entry>,
}

/// A group of consumers and what it lists.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupScope {
    /// Its name.
    pub name: Arc<str>,
    /// Groups of one consumer apply in ascending priority, then by name; later ones are more specific.
    pub priority: i32,
    /// In the order of the configuration.
    pub entries: Vec<Entry>,
}

/// A consumer and what it lists.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerScope {
    /// Its name.
    pub name: Arc<str>,
    /// The names of its groups.
    pub groups: Vec<Arc<str>>,
    /// How it is recognised.
    pub matches: Vec<ConsumerMatch>,
    /// In the order of the configuration.
    pub entries: Vec<Entry>,
}

/// One level of a path from general to specific, and what it lists.
#[derive(Clone, Debug)]
pub(crate) struct Level<'p> {
    pub(crate) scope: Scope,
    pub(crate) entries: &'p [Entry],
    /// Where its first entry stands among those of all levels, whatever the path.
    pub(crate) position: usize,
}

/// More than a level has entries; those of more general levels come first.
const RANK: usize = 1 << 40;
const GROUP: usize = 1 << 16;

impl Scopes {
    /// Does any level below the gateway list anything?
    pub fn list_nothing(&self) -> bool {
        self.of_requests().next().is_none() && self.of_consumers().next().is_none()
    }

    /// The scopes that are known by the request alone and list something.
    pub(crate) fn of_requests(&self) -> impl Iterator<Item = Scope> {
        self.services.iter().flat_map(|service| {
            let own = (!service.entries.is_empty()).then(|| Scope::Service(service.name.clone()));
            let routes = service.routes.iter().filter(|route| !route.entries.is_empty());
            own.into_iter().chain(routes.map(|route| Scope::Route(service.name.clone(), route.name.clone())))
        })
    }

    /// The scopes that are known once it is known who calls, and list something.
    pub(crate) fn of_consumers(&self) -> impl Iterator<Item = Scope> {
        let groups = self.groups.iter().filter(|group| !group.entries.is_empty());
        let consumers = self.consumers.iter().filter(|consumer| !consumer.entries.is_empty());
        groups
            .map(|group| Scope::ConsumerGroup(group.name.clone()))
            .chain(consumers.map(|consumer| Scope::Consumer(consumer.name.clone())))
    }

    /// The level of a scope below the gateway.
    pub(crate) fn level(&self, scope: &Scope) -> Level<'_> {
        let (entries, position) = match scope {
            Scope::Gateway => (&[][..], 0),
            Scope::Service(name) => (self.service(name).map_or(&[][..], |service| &service.entries), RANK),
            Scope::Route(service, name) => {
                let route = self.service(service).and_then(|s| s.routes.iter().find(|r| r.name == *name));
                (route.map_or(&[][..], |route| &route.entries), 2 * RANK)
            }
            Scope::ConsumerGroup(name) => match self.groups.iter().position(|group| group.name == *name) {
                Some(index) => (self.groups[index].entries.as_slice(), 3 * RANK + index * GROUP),
                None => (&[][..], 3 * RANK),
            },
            Scope::Consumer(name) => {
                (self.consumers.iter().find(|c| c.name == *name).map_or(&[][..], |one| &one.entries), 4 * RANK)
            }
        };
        Level { scope: scope.clone(), entries, position }
    }

    /// The levels below the gateway on the way to a scope that is known by the request, those that list something.
    pub(crate) fn way_to(&self, scope: &Scope) -> Vec<Scope> {
        let service = match scope {
            Scope::Route(service, _) => Some(Scope::Service(service.clone())),
            _ => None,
        };
        let own = (*scope != Scope::Gateway).then(|| scope.clone());
        service.into_iter().chain(own).filter(|scope| !self.level(scope).entries.is_empty()).collect()
    }

    fn service(&self, name: &str) -> Option<&ServiceScope> {
        self.services.iter().find(|service| *service.name == *name)
    }

    /// The scopes that a consumer adds to a path, those that list something: its groups in ascending priority, then by
    /// name, and itself.
    pub(crate) fn of_consumer(&self, consumer: &ConsumerScope) -> Vec<Scope> {
        let mut groups: Vec<&GroupScope> = self
            .groups
            .iter()
            .filter(|group| consumer.groups.contains(&group.name) && !group.entries.is_empty())
            .collect();
        groups.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
        let mut scopes: Vec<Scope> = groups.into_iter().map(|g| Scope::ConsumerGroup(g.name.clone())).collect();
        if !consumer.entries.is_empty() {
            scopes.push(Scope::Consumer(consumer.name.clone()));
        }
        scopes
    }
}
