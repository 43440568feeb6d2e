//! Takes secrets out of everything before any sink sees it.
//!
//! A value is a secret when its name says so (the names that are configured, and the built-in ones, which cannot be
//! turned off), wherever name and value stand: a field, JSON, `name=value`, `name: value`, a query, `--name value`.
//! Credentials after `Bearer` or `Basic`, JSON web tokens and the user info of URLs are secrets without a name.
//! What has no name and no shape cannot be recognised.

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use percent_encoding::percent_decode_str;
use regex::{Captures, Regex};
use serde_json::{Map, Value};

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Ends of names, without punctuation and in lower case: `X-Api-Key` and `openai_api_key` end with `apikey`.
const BUILT_IN: [&str; 19] = [
    "authorization",
    "cookie",
    "password",
    "passwords",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "apikey",
    "apikeys",
    "accesskey",
    "privatekey",
    "secretkey",
    "credential",
    "credentials",
    "signature",
    "jwt",
];

/// Headers whose value is everything up to the end of the line.
const WHOLE_LINE: [&str; 2] = ["authorization", "cookie"];

/// Words before a credential that are not the credential.
const SCHEMES: [&str; 5] = ["bearer", "basic", "digest", "negotiate", "token"];

static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // A name, what may close its quotes, and what separates it from its value, also percent-encoded.
    let close = r#"(?:[\\"'\]]|%22|%27)*"#;
    let list = r#"[\\"']+\s*,\s*"#;
    Regex::new(&format!(r"(?:--?)?([A-Za-z][A-Za-z0-9_.\-]*)(?:{close}\s*(?:=>|:=|[:=]|%3[dDaA])\s*|{list}|\s+)")).ok()
});

static UNNAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let credential = r"(?<scheme>\b(?:(?i:bearer)|Basic)\s+)[A-Za-z0-9._~+/=\-]{6,}";
    let user_info = r#"(?<slashes>://)[^/\s@?#"'<>]*@"#;
    let jwt = r"\beyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]*";
    Regex::new(&format!("{credential}|{user_info}|{jwt}")).ok()
});

/// Knows which names are secret. Cheap to share; made anew when the settings change.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    /// Without punctuation, in lower case.
    names: Vec<String>,
}

impl Redactor {
    /// The built-in names and these.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(bare).filter(|name| !name.is_empty()).collect();
        Self { names }
    }

    /// Is a value of that name a secret?
    pub fn is_secret(&self, name: &str) -> bool {
        let name = bare(name);
        BUILT_IN.iter().any(|end| name.ends_with(end)) || self.names.contains(&name)
    }

    /// Free text: a message, a header's value, a path.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.named(text) {
            Cow::Borrowed(text) => unnamed(text),
            Cow::Owned(text) => Cow::Owned(unnamed(&text).into_owned()),
        }
    }

    /// A query: pairs keep their place, secret values go.
    pub fn query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        let secret = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| self.is_secret(&decoded(name)));
        let pair = |pair: &'a str| -> Cow<'a, str> {
            match pair.split_once('=') {
                Some((name, _)) if secret(pair) => Cow::Owned(format!("{name}={MASK}")),
                // A value may be a URL or a query itself.
                Some((name, value)) if value.contains(['%', '+']) => match self.text(&decoded(value)) {
                    Cow::Borrowed(_) => Cow::Borrowed(pair),
                    Cow::Owned(_) => Cow::Owned(format!("{name}={MASK}")),
                },
                _ => self.text(pair),
            }
        };
        let pairs: Vec<Cow<'a, str>> = query.split('&').map(pair).collect();
        if pairs.iter().all(|pair| matches!(pair, Cow::Borrowed(_))) {
            Cow::Borrowed(query)
        } else {
            pairs.join("&").into()
        }
    }

    /// A field or a part of JSON: by its name, else by what its text looks like.
    pub fn value(&self, name: &str, value: &mut Value) {
        if self.is_secret(name) && !matches!(value, Value::Null | Value::Bool(_)) {
            *value = Value::String(MASK.to_owned());
            return;
        }
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.text(text) {
                    *text = redacted;
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|item| self.value("", item)),
            Value::Object(map) => self.map(map),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Every field of a map.
    pub fn map(&self, map: &mut Map<String, Value>) {
        for (name, value) in map.iter_mut() {
            self.value(name, value);
        }
    }

    fn named<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(regex) = NAMED.as_ref() else { return Cow::Borrowed(text) };
        let mut out = String::new();
        let (mut copied, mut at) = (0, 0);
        while let Some(found) = regex.captures_at(text, at) {
            let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else { break };
            // Only a flag (`--token abc`) may be separated from its value by nothing but space.
            let spaced = text[name.end()..whole.end()].chars().all(char::is_whitespace);
            let flag = whole.as_str().starts_with('-');
            if (spaced && !flag) || !self.is_secret(name.as_str()) {
                at = name.end();
                continue;
            }
            let name = bare(name.as_str());
            let line = WHOLE_LINE.iter().any(|header| name.ends_with(header));
            let value = secret_at(text, whole.end(), line.then(|| Quote::before(text, whole.start())));
            out.push_str(&text[copied..value.start]);
            if value.end > value.start {
                out.push_str(MASK);
            }
            (copied, at) = (value.end, value.end.max(whole.end()));
        }
        if copied == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[copied..]);
        Cow::Owned(out)
    }
}

/// A quote, and how many backslashes stand before it.
#[derive(Clone, Copy)]
struct Quote {
    byte: u8,
    slashes: usize,
}

impl Quote {
    /// The one that ends just before that place.
    fn before(text: &str, at: usize) -> Option<Self> {
        let bytes = text.as_bytes().get(..at)?;
        let byte = bytes.last().copied().filter(|byte| matches!(byte, b'"' | b'\''))?;
        Some(Self { byte, slashes: bytes.iter().rev().skip(1).take_while(|byte| **byte == b'\\').count() })
    }

    /// The one that begins at that place.
    fn at(text: &str) -> Option<Self> {
        let slashes = text.bytes().take_while(|byte| *byte == b'\\').count();
        let byte = text.as_bytes().get(slashes).copied().filter(|byte| matches!(byte, b'"' | b'\''))?;
        Some(Self { byte, slashes })
    }
}

/// Where the value that begins at `start` stands, without its quotes. With `line` it is a header's: it goes to the end
/// of the line or, where the whole header is quoted, to the closing quote.
fn secret_at(text: &str, start: usize, line: Option<Option<Quote>>) -> Range<usize> {
    let rest = &text[start..];
    if let Some(quote) = Quote::at(rest) {
        let begin = start + quote.slashes + 1;
        return begin..begin + quoted(&text[begin..], quote);
    }
    if let Some(around) = line {
        let end = around.map_or(rest.len(), |quote| quoted(rest, quote));
        return start..start + rest.find(['\n', '\r']).unwrap_or(rest.len()).min(end);
    }
    let first = bare_value(rest);
    if SCHEMES.iter().any(|scheme| rest[..first].eq_ignore_ascii_case(scheme)) {
        let space = rest[first..].len() - rest[first..].trim_start_matches(' ').len();
        return start..start + first + space + bare_value(&rest[first + space..]);
    }
    start..start + first
}

/// The length up to the closing quote, which has as many backslashes as the opening one.
fn quoted(text: &str, quote: Quote) -> usize {
    let mut run = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte == quote.byte && run == quote.slashes {
            return index - run;
        }
        run = if byte == b'\\' { run + 1 } else { 0 };
    }
    text.len()
}

/// The length of a value without quotes. What stands in brackets belongs to it, as in `Some("abc")`.
fn bare_value(text: &str) -> usize {
    let mut depth = 0_usize;
    for (index, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return index,
            ')' | ']' | '}' => depth -= 1,
            ',' | ';' | '&' | '"' | '\'' if depth == 0 => return index,
            c if c.is_whitespace() && depth == 0 => return index,
            _ => {}
        }
    }
    text.len()
}

fn unnamed(text: &str) -> Cow<'_, str> {
    let Some(regex) = UNNAMED.as_ref() else { return Cow::Borrowed(text) };
    regex.replace_all(text, |found: &Captures<'_>| match (found.name("scheme"), found.name("slashes")) {
        (Some(scheme), _) => format!("{}{MASK}", scheme.as_str()),
        (None, Some(slashes)) => format!("{}{MASK}@", slashes.as_str()),
        (None, None) => MASK.to_owned(),
    })
}

/// As a form decodes it, `+` being a space. For looking only: it is not what is shown.
fn decoded(text: &str) -> Cow<'_, str> {
    match percent_decode_str(text).decode_utf8_lossy() {
        text if text.contains('+') => text.replace('+', " ").into(),
        text => text,
    }
}

/// A name without punctuation, in lower case.
fn bare(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str, expected: &str) {
        assert_eq!(Redactor::new(["x-tenant"]).text(text), expected);
    }

    #[test]
    fn named_secrets_go_wherever_they_stand() {
        check("login password=hunter2 user=bob", "login password=*** user=bob");
        check("Authorization: Bearer abc.def", "Authorization: ***");
        check(r#"{"authorization": "Bearer abc", "host": "x"}"#, r#"{"authorization": "***", "host": "x"}"#);
        check(r#"sent {\"api_key\":\"k-1\",\"n\":1}"#, r#"sent {\"api_key\":\"***\",\"n\":1}"#);
        check(r#"Config { token: Some("abc"), port: 1 }"#, "Config { token: ***, port: 1 }");
        check("Set-Cookie: sid=1; Path=/\nHost: x", "Set-Cookie: ***\nHost: x");
        check("curl -H 'Cookie: a=\"1\"; b' http://x", "curl -H 'Cookie: ***' http://x");
        check(r#"Authorization: Some("abc") and more"#, "Authorization: ***");
        check("run --token abc --fast", "run --token *** --fast");
        check("client_secret := 'a b c' ok", "client_secret := '***' ok");
        check("x-tenant: acme, y: 1", "x-tenant: ***, y: 1");
        check(r#"[("cookie", "a=1")]"#, r#"[("cookie", "***")]"#);
        check("token: Bearer abc", "token: ***");
        check("%22password%22%3A%22abc%22", "%22password%22%3A***");
        check("secret=", "secret=");
    }

    #[test]
    fn unnamed_secrets_go_by_their_shape() {
        check("to http://user:pass@example.com/x", "to http://***@example.com/x");
        check("got Bearer abcdefgh", "got Bearer ***");
        check("jwt eyJhbGciOi.eyJzdWIiOi.sig_nature here", "jwt *** here");
    }

    #[test]
    fn what_is_no_secret_stays_and_is_not_copied() {
        for text in ["max_tokens: 100", "the password was wrong", "a=1&b=2", "http://example.com/a@b", "basic income"] {
            assert!(matches!(Redactor::default().text(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn queries_keep_their_shape() {
        let redactor = Redactor::default();
        assert_eq!(redactor.query("a=1&access_token=x&b=2"), "a=1&access_token=***&b=2");
        assert_eq!(redactor.query("t%6Fken=x"), "t%6Fken=***");
        assert_eq!(redactor.query("next=%2Fcb%3Ftoken%3Dabc"), "next=***");
        assert_eq!(redactor.query("q=token+%3D+abc"), "q=***");
        assert!(matches!(redactor.query("q=a%20b+c&page=2"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_is_walked() {
        let mut value = json!({ "user": "bob", "auth": { "password": "x", "tries": [1, "token=abc"] }, "secret": 5 });
        Redactor::default().value("", &mut value);
        let expected =
            json!({ "user": "bob", "auth": { "password": "***", "tries": [1, "token=***"] }, "secret": "***" });
        assert_eq!(value, expected);
    }
}
