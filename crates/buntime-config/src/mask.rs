//! Which values are secret, and what is shown in their place.
//!
//! A string is secret when its key says so (`token`, `apiKey`, `clientSecret`, `authorization`, …), when it stands in
//! a list below such a key, or when a secret environment variable took part in it. The user name and password in a URL
//! are secret wherever they stand.

use std::{collections::HashSet, sync::LazyLock};

use regex::{Captures, Regex};
use serde_json::Value;

use crate::{
    model::PluginEntry,
    tree::{Node, Path},
};

/// What is shown in the place of a secret.
pub const MASK: &str = "***";

/// The last word of a key that makes its value a secret.
const SECRET_WORDS: [&str; 21] = [
    "token",
    "tokens",
    "key",
    "keys",
    "apikey",
    "apikeys",
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "pwd",
    "authorization",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "bearer",
    "dsn",
    "jwt",
];

/// Does a key or the name of an environment variable look as if its value were a secret?
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let Some(last) = words.last() else { return false };
    // `publicKey` is meant to be seen; `SECRET_0` and `TOKEN_FILE_2` are numbered.
    let last = if last.chars().all(|c| c.is_ascii_digit()) { words.iter().rev().nth(1).unwrap_or(last) } else { last };
    SECRET_WORDS.contains(&last.as_str()) && words.first().is_none_or(|first| first != "public")
}

/// `clientSecret`, `client_secret`, `X-Client-Secret` → `client`, `secret`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            words.push(String::new());
        } else {
            if c.is_uppercase() && lower {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// How the values below a key are treated.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Under {
    /// An ordinary key.
    Plain,
    /// A secret one: its string, and the strings of its list.
    Secret,
    /// An object in the list of a secret key: its `value` is secret too.
    Item,
}

impl Under {
    /// For the members of an object.
    pub(crate) fn inside(self) -> Self {
        if self == Self::Secret { Self::Item } else { Self::Plain }
    }

    /// How the value of `key` is treated; `parent` is the key above it.
    pub(crate) fn below(self, parent: Option<&str>, key: &str) -> Self {
        // The key of a certificate is a path.
        let path = key == "key" && parent == Some("tls");
        if (is_secret_name(key) && !path) || (self == Self::Item && key == "value") {
            Self::Secret
        } else {
            Self::Plain
        }
    }
}

/// Masks the secrets in a value: by their keys, in URLs, and at the pointers given.
pub fn mask(value: &mut Value, tainted: &[String]) {
    mask_below(value, Under::Plain, None);
    for pointer in tainted {
        if let Some(value) = value.pointer_mut(pointer) {
            mask_below(value, Under::Secret, None);
        }
    }
}

fn mask_below(value: &mut Value, under: Under, parent: Option<&str>) {
    match value {
        Value::String(text) if under == Under::Secret && !text.is_empty() => MASK.clone_into(text),
        Value::String(text) => {
            if let Some(masked) = mask_url(text) {
                *text = masked;
            }
        }
        Value::Number(_) if under == Under::Secret && parent.is_none_or(counts_nothing) => {
            *value = Value::String(MASK.to_owned());
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_below(item, under, parent)),
        Value::Object(members) => {
            let under = under.inside();
            for (key, value) in members {
                mask_below(value, under.below(parent, key), Some(key));
            }
        }
        _ => {}
    }
}

/// Masks settings that were merged of several entries: by their keys, in URLs, and wherever a text of theirs stands that
/// came from a secret variable.
pub fn mask_merged<'e>(value: &mut Value, entries: impl Iterator<Item = &'e PluginEntry>) {
    let texts: HashSet<&str> = entries
        .flat_map(|entry| entry.tainted.iter().filter_map(|pointer| entry.settings.pointer(pointer)?.as_str()))
        .filter(|text| !text.is_empty())
        .collect();
    mask_texts(value, &texts);
    mask(value, &[]);
}

fn mask_texts(value: &mut Value, texts: &HashSet<&str>) {
    match value {
        Value::String(text) if texts.contains(text.as_str()) => MASK.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_texts(item, texts)),
        Value::Object(members) => members.values_mut().for_each(|item| mask_texts(item, texts)),
        _ => {}
    }
}

/// `maxTokens: 100` and `keys: 3` count; `password: 1234` does not.
pub(crate) fn counts_nothing(key: &str) -> bool {
    !key.ends_with('s')
}

/// The pointers of values that came from secret variables.
pub(crate) fn tainted_pointers(root: &Node) -> Vec<String> {
    let mut pointers = Vec::new();
    root.walk(&mut Path::default(), &mut |node, path| {
        if node.tainted {
            pointers.push(path.as_str().to_owned());
        }
    });
    pointers
}

/// Is this a value that a message must not quote?
pub(crate) fn is_secret_at(node: &Node, path: &Path) -> bool {
    let mut tokens = path.as_str().rsplit('/').filter(|token| !token.chars().all(|c| c.is_ascii_digit()));
    let (key, parent) = (tokens.next().unwrap_or_default(), tokens.next());
    node.tainted
        || Under::Plain.below(parent, key) == Under::Secret
        || (key == "value" && parent.is_some_and(is_secret_name))
        || node.text().is_some_and(|text| url_secret(text).is_some())
}

/// The user name and password of a URL, and parameters whose names look secret. A password may hold a `/` or `@` that
/// should have been encoded; rather too much is masked than too little.
pub(crate) static USERINFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)[a-z][a-z0-9+.-]*://([^\s/?#"']*:[^\s"']*|[^\s/?#"']*)@"#).ok());
static PARAMETER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[?&;]([A-Za-z0-9_.-]+)=([^&;#\s]+)").ok());

pub(crate) fn url_secret(text: &str) -> Option<&str> {
    let userinfo = USERINFO.as_ref().and_then(|regex| regex.captures(text)).and_then(|found| found.get(1));
    if let Some(userinfo) = userinfo.filter(|found| !found.is_empty()) {
        let userinfo = userinfo.as_str();
        return Some(userinfo.split_once(':').map_or(userinfo, |(_, password)| password));
    }
    PARAMETER.as_ref().filter(|_| text.contains("://"))?.captures_iter(text).find_map(|found| {
        let (name, value) = (found.get(1)?, found.get(2)?);
        is_secret_name(name.as_str()).then(|| value.as_str())
    })
}

fn mask_url(text: &str) -> Option<String> {
    if !text.contains("://") {
        return None;
    }
    let (userinfo, parameter) = (USERINFO.as_ref()?, PARAMETER.as_ref()?);
    let masked = userinfo.replace_all(text, |found: &Captures<'_>| match found.get(1) {
        Some(inner) if !inner.is_empty() => found[0].replacen(inner.as_str(), MASK, 1),
        _ => found[0].to_owned(),
    });
    let masked = parameter.replace_all(&masked, |found: &Captures<'_>| {
        if is_secret_name(&found[1]) { found[0].replace(&found[2], MASK) } else { found[0].to_owned() }
    });
    (masked != text).then(|| masked.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names() {
        for name in [
            "token",
            "apiKey",
            "clientSecret",
            "BUNTIME_ADMIN_TOKEN",
            "X-API-Key",
            "accessTokens",
            "SECRET_0",
            "jwtSecret",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["keyBy", "tokenPrefix", "publicKey", "headerTimeout", "monkey", "", "secretName"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn values() {
        let mut value = json!({
            "tls": { "cert": "a.pem", "key": "b.pem" },
            "keys": [{ "name": "ci", "value": "s1", "weight": 1 }, "s2"],
            "accessTokens": ["s3"],
            "headers": { "Authorization": "s4", "x-from": "gateway" },
            "url": "postgres://joe:s5@db/x?sslmode=on",
            "libsql": "libsql://db?authToken=s6&x=1",
            "maxTokens": 100,
            "password": 1234,
            "credentials": true,
            "deep": { "a/b": "s7" },
        });
        mask(&mut value, &["/deep/a~1b".to_owned()]);
        let text = value.to_string();
        for secret in ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "1234", "joe"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for shown in ["b.pem", "\"ci\"", "gateway", "sslmode=on", "x=1", "100", "true"] {
            assert!(text.contains(shown), "{shown} not in {text}");
        }
    }
}
