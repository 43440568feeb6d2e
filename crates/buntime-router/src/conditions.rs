//! What a route demands beside host and path, and the choice among routes that share both.

use std::collections::HashMap;

use buntime_config::model::Headers;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::table::BadRoute;

/// As many routes that demand headers are tried one by one; more are found by a header of theirs.
const FEW: usize = 8;

/// Methods and headers of a route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    /// None is any.
    pub(crate) methods: Box<[Method]>,
    /// Sorted by name; each must be there with this value.
    pub(crate) headers: Box<[(HeaderName, HeaderValue)]>,
}

/// The part of a request that conditions look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
}

impl Conditions {
    pub(crate) fn new<'m>(methods: impl Iterator<Item = &'m Method>, headers: &Headers) -> Result<Self, BadRoute> {
        let mut distinct: Vec<Method> = Vec::new();
        for method in methods {
            if !distinct.contains(method) {
                distinct.push(method.clone());
            }
        }
        let read = |(name, value): (&String, &String)| {
            let read_name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadRoute::Name(name.clone()))?;
            let value = HeaderValue::from_str(value).map_err(|_| BadRoute::Value(name.clone()))?;
            Ok((read_name, value))
        };
        let mut headers: Vec<_> = headers.iter().map(read).collect::<Result<_, _>>()?;
        headers.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        Ok(Self { methods: distinct.into(), headers: headers.into() })
    }

    /// More of them come first: having methods is one, each header is one.
    pub(crate) fn count(&self) -> usize {
        usize::from(!self.methods.is_empty()) + self.headers.len()
    }

    /// Does such a request meet them all?
    pub(crate) fn met_by(&self, asked: Asked<'_>) -> bool {
        (self.methods.is_empty() || self.methods.contains(asked.method))
            && self.headers.iter().all(|(name, value)| asked.headers.get_all(name).iter().any(|sent| sent == value))
    }
}

/// Routes of one host and one path. Of what can only be decided one way, one is kept.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// The first without conditions.
    any: Option<usize>,
    /// For each method the first that demands nothing else; sorted by method.
    by_method: Box<[(Method, usize)]>,
    headed: Headed,
}

/// Those that demand headers, each list in order of precedence.
#[derive(Debug)]
enum Headed {
    Few(Box<[usize]>),
    Many(HashMap<HeaderName, HashMap<HeaderValue, Vec<usize>>>),
}

impl Default for Headed {
    fn default() -> Self {
        Self::Few(Box::default())
    }
}

impl Bucket {
    /// Of these ranks, ascending, with the conditions of each.
    pub(crate) fn new(ranked: &[(usize, &Conditions)]) -> Self {
        let mut by_method: Vec<(Method, usize)> = Vec::new();
        let (mut any, mut headed) = (None, Vec::new());
        for (rank, conditions) in ranked {
            if !conditions.headers.is_empty() {
                headed.push((*rank, *conditions));
            } else if conditions.methods.is_empty() {
                any = any.or(Some(*rank));
            } else {
                by_method.extend(conditions.methods.iter().map(|method| (method.clone(), *rank)));
            }
        }
        // Stable: of one method the first stays.
        by_method.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        by_method.dedup_by(|(later, _), (first, _)| later == first);
        Self { any, by_method: by_method.into(), headed: Headed::new(&headed) }
    }

    /// The best rank whose conditions are met.
    pub(crate) fn find<'c>(&self, asked: Asked<'_>, conditions: impl Fn(usize) -> &'c Conditions) -> Option<usize> {
        let method = asked.method.as_str();
        let mut best = self.any;
        if let Ok(at) = self.by_method.binary_search_by(|(known, _)| known.as_str().cmp(method)) {
            best = least(best, Some(self.by_method[at].1));
        }
        let mut look = |ranks: &[usize]| {
            let open = ranks.iter().take_while(|rank| best.is_none_or(|best| **rank < best));
            let found = open.copied().find(|rank| conditions(*rank).met_by(asked));
            best = found.or(best);
        };
        match &self.headed {
            Headed::Few(ranks) => look(ranks),
            Headed::Many(names) if names.len() <= asked.headers.len() => {
                for (name, values) in names {
                    asked.headers.get_all(name).iter().filter_map(|sent| values.get(sent)).for_each(|r| look(r));
                }
            }
            Headed::Many(names) => {
                let sent = asked.headers.iter();
                sent.filter_map(|(name, sent)| names.get(name)?.get(sent)).for_each(|ranks| look(ranks));
            }
        }
        best
    }
}

impl Headed {
    /// By that header of each which the fewest others demand too.
    fn new(ranked: &[(usize, &Conditions)]) -> Self {
        if ranked.len() <= FEW {
            return Self::Few(ranked.iter().map(|(rank, _)| *rank).collect());
        }
        let mut uses: HashMap<&(HeaderName, HeaderValue), usize> = HashMap::new();
        for header in ranked.iter().flat_map(|(_, conditions)| &conditions.headers) {
            *uses.entry(header).or_default() += 1;
        }
        let mut names: HashMap<HeaderName, HashMap<HeaderValue, Vec<usize>>> = HashMap::new();
        for (rank, conditions) in ranked {
            let rarest = conditions.headers.iter().min_by_key(|header| uses.get(header));
            if let Some((name, value)) = rarest {
                names.entry(name.clone()).or_default().entry(value.clone()).or_default().push(*rank);
            }
        }
        Self::Many(names)
    }
}

fn least(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
