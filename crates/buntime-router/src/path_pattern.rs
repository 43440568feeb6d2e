//! Path patterns as they are written in settings: globs, or regular expressions in linear time.
//!
//! In a glob `*` is one segment or a part of one, `**` any number of segments, none included, `?` one character. What
//! begins with `^` or `(` is a regular expression. Paths are compared as they are normalised.

use std::fmt;

use buntime_core::{SettingsProblem, options::PublicRoutes};
use http::Method;
use regex::Regex;

/// A path glob or regular expression, ready to match.
#[derive(Clone)]
pub struct PathPattern(Regex);

/// A text that is no path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// Neither a glob nor a regular expression.
    #[error("`{0}` is no path pattern: it begins with `/` or `*`, or with `^` or `(` as a regular expression")]
    Begin(String),
    /// No regular expression.
    #[error("this is no regular expression: {0}")]
    Regex(String),
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// If it is neither a glob nor a regular expression.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        match text.chars().next() {
            Some('^' | '(') => linear_regex(text).map(Self),
            Some('/' | '*') => linear_regex(&glob(text)).map(Self),
            _ => Err(BadPattern::Begin(text.to_owned())),
        }
    }

    /// Does it match that path?
    pub fn is_match(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PathPattern").field(&self.0.as_str()).finish()
    }
}

/// A regular expression, or in one line why the text is none.
///
/// # Errors
/// If it is no regular expression, is too big, or needs look-around or backreferences, which take more than linear
/// time.
pub fn linear_regex(text: &str) -> Result<Regex, BadPattern> {
    Regex::new(text).map_err(|error| {
        if let regex::Error::CompiledTooBig(_) = error {
            return BadPattern::Regex("it is too big".to_owned());
        }
        // The library draws the pattern over several lines; the last says what is wrong.
        let drawn = error.to_string();
        let why = drawn.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
        let linear = why.contains("look-around") || why.contains("backreference");
        BadPattern::Regex(if linear { format!("{why} (patterns run in linear time)") } else { why })
    })
}

/// The regular expression that means what the glob means.
fn glob(text: &str) -> String {
    let mut regex = String::from("^");
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // `/**` may be nothing at all, so that `/public/**` is `/public` too.
        if rest == "/**" {
            regex.push_str(if text == "/**" { "/.*" } else { "(?:/.*)?" });
            break;
        }
        if let Some(behind) = rest.strip_prefix("/**/") {
            regex.push_str("/(?:.*/)?");
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("**") {
            regex.push_str(".*");
            rest = behind;
        } else {
            match c {
                '*' => regex.push_str("[^/]*"),
                '?' => regex.push_str("[^/]"),
                other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    regex.push('$');
    regex
}

/// Which paths need no identity, by method.
#[derive(Clone, Debug, Default)]
pub struct PublicPaths(Vec<(Option<Method>, PathPattern)>);

impl PublicPaths {
    /// Reads public routes. `pointer` is where they stand.
    ///
    /// # Errors
    /// Every method and pattern that is none.
    pub fn new(routes: &PublicRoutes, pointer: &str) -> Result<Self, Vec<SettingsProblem>> {
        let (mut read, mut problems) = (Vec::new(), Vec::new());
        let mut list = |method: Option<Method>, patterns: &[String], pointer: &str| {
            for (index, text) in patterns.iter().enumerate() {
                match PathPattern::new(text) {
                    Ok(pattern) => read.push((method.clone(), pattern)),
                    Err(error) => {
                        problems.push(SettingsProblem::new(format!("{pointer}/{index}"), error.to_string()));
                    }
                }
            }
        };
        match routes {
            PublicRoutes::Every(patterns) => list(None, patterns, pointer),
            PublicRoutes::ByMethod(by_method) => {
                for (name, patterns) in by_method {
                    let all = name.eq_ignore_ascii_case("all");
                    let method = Method::from_bytes(name.to_ascii_uppercase().as_bytes()).ok().filter(|_| !all);
                    list(method, patterns, &format!("{pointer}/{name}"));
                }
                let bad = by_method.keys().filter(|name| Method::from_bytes(name.as_bytes()).is_err());
                problems.extend(bad.map(|name| {
                    SettingsProblem::new(format!("{pointer}/{name}"), format!("`{name}` is no method"))
                        .with_help("write GET, POST, …, or ALL")
                }));
            }
        }
        if problems.is_empty() { Ok(Self(read)) } else { Err(problems) }
    }

    /// Needs that request no identity?
    pub fn has(&self, method: &Method, path: &str) -> bool {
        self.0.iter().any(|(only, pattern)| only.as_ref().is_none_or(|m| m == method) && pattern.is_match(path))
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, yes, no) in [
            ("/**", vec!["/", "/a", "/a/b"], vec![]),
            ("/public/**", vec!["/public", "/public/", "/public/a/b"], vec!["/publicity", "/a/public"]),
            ("/*", vec!["/a", "/"], vec!["/a/b"]),
            ("/a/*/c", vec!["/a/b/c"], vec!["/a/c", "/a/b/b/c"]),
            ("/a/**/c", vec!["/a/c", "/a/b/b/c"], vec!["/a/bc"]),
            ("/v?.x", vec!["/v1.x"], vec!["/v.x", "/v1yx", "/v/.x"]),
            ("**", vec!["/", "/a/b"], vec![]),
            ("^/[0-9]+$", vec!["/12"], vec!["/a"]),
            ("(a|b)", vec!["/x/a"], vec!["/x/c"]),
        ] {
            let read = PathPattern::new(pattern).unwrap();
            for path in yes {
                assert!(read.is_match(path), "{pattern} {path}");
            }
            for path in no {
                assert!(!read.is_match(path), "{pattern} {path}");
            }
        }
        assert!(PathPattern::new("a/b").unwrap_err().to_string().contains("begins with `/`"));
        assert!(PathPattern::new("^(?=a)").unwrap_err().to_string().contains("linear time"));
    }

    #[test]
    fn public_paths_by_method() {
        let routes: PublicRoutes =
            serde_json::from_value(serde_json::json!({ "GET": ["/a/**"], "ALL": ["/b"] })).unwrap();
        let public = PublicPaths::new(&routes, "").unwrap();
        assert!(public.has(&Method::GET, "/a/x") && !public.has(&Method::POST, "/a/x"));
        assert!(public.has(&Method::POST, "/b"));
        let routes: PublicRoutes = serde_json::from_value(serde_json::json!({ "G T": ["x"] })).unwrap();
        let problems = PublicPaths::new(&routes, "/publicRoutes").unwrap_err();
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[0].pointer, "/publicRoutes/G T/0");
    }
}
