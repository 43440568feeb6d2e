//! Who may call: how a consumer of the configuration is recognised. What an `auth_provider` asks.

use std::{collections::HashMap, fmt, sync::Arc};

use serde_json::Value;

use crate::values::Identity;

/// The SHA-256 of an API key: what is kept of it here. Looking up a digest tells a listener nothing of the key.
pub type KeyDigest = [u8; 32];

/// Names of claims and what they must be.
pub type Claims = Vec<(String, Value)>;

/// One way to recognise a consumer.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum ConsumerMatch {
    /// By the digest of its API key.
    Key(KeyDigest),
    /// By the subject of its identity.
    Subject(Arc<str>),
    /// By claims of its identity: every one must be equal, or be a list that has it.
    Claims(Claims),
}

impl fmt::Debug for ConsumerMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(_) => f.write_str("Key(***)"),
            Self::Subject(subject) => f.debug_tuple("Subject").field(subject).finish(),
            Self::Claims(claims) => f.debug_tuple("Claims").field(claims).finish(),
        }
    }
}

/// The consumers of one configuration, by what they are recognised by. An exchange asks those in force when its turn
/// comes: one that a reload overtakes is told those of the next configuration.
#[derive(Clone, Debug, Default)]
pub struct Consumers {
    keys: HashMap<KeyDigest, Arc<str>>,
    subjects: HashMap<Arc<str>, Arc<str>>,
    claims: Vec<(Claims, Arc<str>)>,
}

impl Consumers {
    /// Those consumers, each with what it is recognised by. The first of two that match wins.
    pub fn new<'a>(consumers: impl IntoIterator<Item = (&'a Arc<str>, &'a [ConsumerMatch])>) -> Self {
        let mut all = Self::default();
        for (name, matches) in consumers {
            for one in matches {
                match one {
                    ConsumerMatch::Key(digest) => {
                        all.keys.entry(*digest).or_insert_with(|| name.clone());
                    }
                    ConsumerMatch::Subject(subject) => {
                        all.subjects.entry(subject.clone()).or_insert_with(|| name.clone());
                    }
                    ConsumerMatch::Claims(claims) => all.claims.push((claims.clone(), name.clone())),
                }
            }
        }
        all
    }

    /// Is any recognised by a key?
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The consumer with that key.
    pub fn by_key(&self, digest: &KeyDigest) -> Option<&Arc<str>> {
        self.keys.get(digest)
    }

    /// The consumer with that identity: by its subject, else by its claims, in the order of the configuration.
    pub fn by_identity(&self, identity: &Identity) -> Option<&Arc<str>> {
        let by_subject = self.subjects.get(identity.subject.as_str());
        by_subject.or_else(|| {
            let has = |(name, wanted): &(String, Value)| {
                identity.claims.get(name).is_some_and(|claim| {
                    claim == wanted || claim.as_array().is_some_and(|several| several.contains(wanted))
                })
            };
            self.claims.iter().find(|(claims, _)| !claims.is_empty() && claims.iter().all(has)).map(|(_, name)| name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn found_by_key_subject_and_claims() {
        let (acme, other): (Arc<str>, Arc<str>) = ("acme".into(), "other".into());
        let of_acme = [ConsumerMatch::Key([1; 32]), ConsumerMatch::Subject("svc".into())];
        let claims = vec![("client_id".to_owned(), json!("o")), ("scope".to_owned(), json!("write"))];
        let of_other = [ConsumerMatch::Claims(claims)];
        let all = Consumers::new([(&acme, &of_acme[..]), (&other, &of_other[..])]);
        assert_eq!((all.by_key(&[1; 32]), all.by_key(&[2; 32])), (Some(&acme), None));
        let identity = |subject: &str, claims: Value| Identity {
            subject: subject.to_owned(),
            claims: claims.as_object().cloned().unwrap(),
            ..Identity::default()
        };
        assert_eq!(all.by_identity(&identity("svc", json!({}))), Some(&acme));
        let both = json!({ "client_id": "o", "scope": ["read", "write"] });
        assert_eq!(all.by_identity(&identity("x", both)), Some(&other));
        assert_eq!(all.by_identity(&identity("x", json!({ "client_id": "o" }))), None);
    }
}
