//! What an operator no longer wants to be served, by key, prefix, pattern or tag.

use buntime_router::{PathPattern, path_pattern::BadPattern};
use serde::{Deserialize, Serialize};

use super::key::Key;

/// What is to be invalidated: all that is said must be so; nothing said is everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct What {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
}

/// [`What`], ready to compare.
#[derive(Debug, Default)]
pub(crate) struct Meant {
    key: Option<String>,
    prefix: Option<String>,
    pattern: Option<PathPattern>,
    tag: Option<String>,
}

impl Meant {
    /// Reads it.
    ///
    /// # Errors
    /// If its pattern is none.
    pub(crate) fn new(what: &What) -> Result<Self, BadPattern> {
        let pattern = what.pattern.as_deref().map(PathPattern::new).transpose();
        // As the original wrote its keys.
        let plain = |text: Option<&str>| text.map(|text| text.strip_prefix("GET:").unwrap_or(text).to_owned());
        Ok(Self {
            key: plain(what.key.as_deref()),
            prefix: plain(what.prefix.as_deref()),
            pattern: pattern?,
            tag: what.tag.clone(),
        })
    }

    /// Is it everything?
    pub(crate) fn is_all(&self) -> bool {
        self.key.is_none() && self.prefix.is_none() && self.pattern.is_none() && self.tag.is_none()
    }

    /// Is that among it?
    pub(crate) fn has(&self, key: &Key, tags: &[Box<str>]) -> bool {
        self.key.as_ref().is_none_or(|text| spelled(key, text) == *text)
            && self.prefix.as_ref().is_none_or(|text| spelled(key, text).starts_with(text.as_str()))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(key.path()))
            && self.tag.as_ref().is_none_or(|tag| tags.iter().any(|one| **one == **tag))
    }
}

/// The key as that text spells keys: with its scheme, with its host, or from the path on.
pub(crate) fn spelled<'k>(key: &'k Key, text: &str) -> std::borrow::Cow<'k, str> {
    if text.starts_with('/') {
        (&*key.target).into()
    } else if text.contains("://") {
        key.show().into()
    } else {
        format!("{}{}", key.host, key.target).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn keys_are_spelled_in_three_ways() {
        let key = Key { scheme: "http", host: "a.example".into(), target: "/x/y?z=1".into() };
        let has = |what: Value| {
            let what: What = serde_json::from_value(what).unwrap();
            Meant::new(&what).unwrap().has(&key, &["blue".into()])
        };
        for what in [
            json!({ "key": "/x/y?z=1" }),
            json!({ "key": "GET:/x/y?z=1" }),
            json!({ "key": "a.example/x/y?z=1" }),
            json!({ "key": "http://a.example/x/y?z=1" }),
            json!({ "prefix": "/x" }),
            json!({ "prefix": "a.ex" }),
            json!({ "pattern": "/x/*" }),
            json!({ "pattern": "^/x/[a-z]$" }),
            json!({ "tag": "blue" }),
            json!({ "tag": "blue", "prefix": "/x/" }),
            json!({}),
        ] {
            assert!(has(what.clone()), "{what}");
        }
        for what in [
            json!({ "key": "/x/y" }),
            json!({ "key": "b.example/x/y?z=1" }),
            json!({ "prefix": "/y" }),
            json!({ "pattern": "/x" }),
            json!({ "tag": "red" }),
            json!({ "tag": "blue", "prefix": "/y" }),
        ] {
            assert!(!has(what.clone()), "{what}");
        }
        assert!(Meant::new(&What { pattern: Some("x".to_owned()), ..What::default() }).is_err());
    }
}
