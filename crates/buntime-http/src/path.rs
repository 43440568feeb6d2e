//! One spelling for every path, found before anything decides on it.
//!
//! Dot segments are resolved, empty segments dropped, percent-encoding written in upper case, unreserved characters
//! decoded. What could be read in two ways further on is refused: control characters, NUL, backslashes, encoded
//! separators (except an encoded `/` under `/api` and `/p`, where a name may hold one), dot segments above the root,
//! malformed percent-encoding. A path that is normal already is returned as it is, without a copy.

use std::borrow::Cow;

use buntime_core::{Error, ErrorKind};
use http::{Uri, uri::PathAndQuery};

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("The path must begin with /")]
    NotRooted,
    /// `%` without two hexadecimal digits.
    #[error("The path has a malformed percent-encoding")]
    Encoding,
    /// An encoded `/`, outside `/api` and `/p`.
    #[error("The path has an encoded separator")]
    Separator,
    /// A backslash, plain or encoded.
    #[error("The path has a backslash")]
    Backslash,
    /// NUL or another control character, plain or encoded.
    #[error("The path has a control character")]
    Control,
    /// `..` above the root.
    #[error("The path leads out of the root")]
    Escapes,
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        Error::new(ErrorKind::Malformed).with_detail(error.to_string())
    }
}

/// The one spelling of `path`. Borrowed where `path` is that already.
///
/// # Errors
/// See [`PathError`]; each is a 400.
pub fn normalize(path: &str) -> Result<Cow<'_, str>, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotRooted);
    }
    if is_plainly_normal(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode_unreserved(path)?;
    let normal = resolve(&decoded)?;
    // Judged on the outcome: `/x/../api/a%2Fb` is below /api, `/api/../x%2Fy` is not.
    if normal.contains("%2F") && !keeps_encoded_slash(&normal) {
        return Err(PathError::Separator);
    }
    Ok(if normal == path { Cow::Borrowed(path) } else { Cow::Owned(normal) })
}

/// `uri` with its path normalised and its query as it was; `None` where it is normal already, and for `*`.
///
/// # Errors
/// See [`PathError`].
pub fn normalize_uri(uri: &Uri) -> Result<Option<Uri>, PathError> {
    if uri.path() == "*" {
        return Ok(None);
    }
    let Cow::Owned(mut target) = normalize(uri.path())? else { return Ok(None) };
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    // Only characters that the old path had, fewer of them, or percent-encodings.
    let target = PathAndQuery::try_from(target).map_err(|_| PathError::Encoding)?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map(Some).map_err(|_| PathError::Encoding)
}

/// Nothing in it that could need work: no `%`, no `//`, no segment that begins with a dot, only printable ASCII.
fn is_plainly_normal(path: &[u8]) -> bool {
    let mut previous = 0;
    for &byte in path {
        if byte <= b' ' || byte >= 0x7f || byte == b'%' || byte == b'\\' {
            return false;
        }
        if previous == b'/' && (byte == b'/' || byte == b'.') {
            return false;
        }
        previous = byte;
    }
    true
}

fn decode_unreserved(path: &str) -> Result<String, PathError> {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(path.len());
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        let (value, is_encoded) = if byte == b'%' {
            let digits = bytes.get(index + 1..index + 3).ok_or(PathError::Encoding)?;
            index += 2;
            (hex(digits[0])? << 4 | hex(digits[1])?, true)
        } else {
            (byte, false)
        };
        index += 1;
        match value {
            0..0x20 | 0x7f => return Err(PathError::Control),
            b'\\' => return Err(PathError::Backslash),
            _ if value.is_ascii_alphanumeric() || b"-._~".contains(&value) => out.push(char::from(value)),
            // What is not ASCII or a space cannot stand plainly in a target; hyper lets some of it through.
            b' ' | 0x80.. => push_encoded(&mut out, value),
            _ if is_encoded => push_encoded(&mut out, value),
            _ => out.push(char::from(value)),
        }
    }
    Ok(out)
}

fn push_encoded(out: &mut String, value: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(value >> 4)]));
    out.push(char::from(DIGITS[usize::from(value & 15)]));
}

fn hex(digit: u8) -> Result<u8, PathError> {
    // One hexadecimal digit fits a byte.
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(PathError::Encoding)
}

/// RFC 3986 5.2.4, but `..` above the root is an error, and empty segments are dropped.
fn resolve(path: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len());
    let mut ends_open = true;
    for segment in path.split('/').skip(1) {
        ends_open = false;
        match segment {
            "" | "." => ends_open = true,
            ".." => {
                let cut = out.rfind('/').ok_or(PathError::Escapes)?;
                out.truncate(cut);
                ends_open = true;
            }
            segment => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    if ends_open {
        out.push('/');
    }
    Ok(out)
}

/// `/api`, `/p` and what is below.
fn keeps_encoded_slash(path: &str) -> bool {
    ["/api", "/p"]
        .iter()
        .any(|base| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_spelling() {
        for (path, expect) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//", "/"),
            ("//a///b", "/a/b"),
            ("/./a/.", "/a/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/%61%2e%7E", "/a.~"),
            ("/%2e%2e/a/%2E%2e", ""),
            ("/a/%2e%2e/b", "/b"),
            ("/%c3%a9", "/%C3%A9"),
            ("/a%20b%3b", "/a%20b%3B"),
            ("/api/plugins/%40buntime%2fplugin-x", "/api/plugins/%40buntime%2Fplugin-x"),
            ("/x/../p/a%2Fb", "/p/a%2Fb"),
            ("/a;b=c@d:e!$&'()*+,=", "/a;b=c@d:e!$&'()*+,="),
        ] {
            match normalize(path) {
                Ok(found) => assert_eq!(found, expect, "{path}"),
                Err(error) => assert_eq!((error, expect), (PathError::Escapes, ""), "{path}"),
            }
        }
    }

    #[test]
    fn what_is_refused() {
        for (path, expect) in [
            ("", PathError::NotRooted),
            ("a", PathError::NotRooted),
            ("*", PathError::NotRooted),
            ("/%", PathError::Encoding),
            ("/%4", PathError::Encoding),
            ("/%zz", PathError::Encoding),
            ("/a%2Fb", PathError::Separator),
            ("/apix/a%2fb", PathError::Separator),
            ("/api/../a%2fb", PathError::Separator),
            ("/a\\b", PathError::Backslash),
            ("/a%5cb", PathError::Backslash),
            ("/%00", PathError::Control),
            ("/%0d%0a", PathError::Control),
            ("/%7f", PathError::Control),
            ("/..", PathError::Escapes),
            ("/a/../..", PathError::Escapes),
            ("/%2e./", PathError::Escapes),
            ("//..//", PathError::Escapes),
        ] {
            assert_eq!(normalize(path), Err(expect), "{path}");
        }
    }

    #[test]
    fn a_normal_path_is_not_copied() {
        for path in ["/", "/a/b.c/d", "/%C3%A9", "/.well-known/x"] {
            assert!(matches!(normalize(path), Ok(Cow::Borrowed(_))), "{path}");
        }
    }

    #[test]
    fn the_query_stays() {
        let uri: Uri = "/a//b?x=%2f..//".parse().unwrap();
        assert_eq!(normalize_uri(&uri).unwrap().unwrap(), "/a/b?x=%2f..//");
        assert_eq!(normalize_uri(&"/a?b".parse().unwrap()).unwrap(), None);
        assert_eq!(normalize_uri(&"*".parse().unwrap()).unwrap(), None);
    }

    proptest! {
        #[test]
        fn is_idempotent_and_stays_inside(path in "/([a-zA-Z./~%@ é]|%2[eEfF5]|%5c|%61|/\\.\\./|//|/api/|/p/){0,20}") {
            if let Ok(normal) = normalize(&path) {
                prop_assert!(normal.starts_with('/'));
                prop_assert!(!normal.contains("//"));
                prop_assert!(normal.split('/').all(|segment| segment != "." && segment != ".."));
                prop_assert!(normal.is_ascii() && !normal.contains('\\'));
                prop_assert_eq!(normalize(&normal).unwrap(), normal.clone());
                prop_assert!(Uri::try_from(normal.as_ref()).is_ok());
            }
        }

        #[test]
        fn nothing_panics(path in "\\PC{0,60}") {
            let _ = normalize(&path);
        }
    }
}
