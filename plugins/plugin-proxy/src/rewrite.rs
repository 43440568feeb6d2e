//! Rewriting: a template of the upstream's path with the groups of the rule's pattern in it.

use std::fmt::Write as _;

use regex::Regex;

/// A template, checked against its pattern.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    parts: Box<[Part]>,
    /// Without groups the pattern need not be run again.
    has_groups: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// A group of the pattern; `escaped` where it stands in the query.
    Group {
        index: usize,
        escaped: bool,
    },
}

impl Rewrite {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub(crate) fn read(template: &str, pattern: &Regex) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut in_query = false;
        let mut rest = template;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c != '$' {
                if !is_allowed(c) {
                    return Err(format!("`{}` cannot stand in a path; percent-encode it", c.escape_default()));
                }
                in_query |= c == '?';
                text.push(c);
                continue;
            }
            if let Some(behind) = rest.strip_prefix('$') {
                text.push('$');
                rest = behind;
                continue;
            }
            let (index, behind) = group(rest, pattern)?;
            rest = behind;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text).into()));
            }
            parts.push(Part::Group { index, escaped: in_query });
        }
        if !text.is_empty() {
            parts.push(Part::Text(text.into()));
        }
        let has_groups = parts.iter().any(|part| matches!(part, Part::Group { .. }));
        Ok(Self { parts: parts.into(), has_groups })
    }

    /// Appends to `out` what a path that matches the pattern becomes; always begins with `/`.
    pub(crate) fn expand(&self, pattern: &Regex, path: &str, out: &mut String) {
        let begun = out.len();
        let captures = if self.has_groups { pattern.captures(path) } else { None };
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group { index, escaped } => {
                    let group = captures.as_ref().and_then(|captures| captures.get(*index));
                    let group = group.map_or("", |found| found.as_str());
                    if *escaped { push_escaped(out, group) } else { out.push_str(group) }
                }
            }
        }
        if !out[begun..].starts_with('/') {
            out.insert(begun, '/');
        }
    }
}

/// The group that stands at the beginning of `rest`, behind its `$`, and what follows it.
fn group<'a>(rest: &'a str, pattern: &Regex) -> Result<(usize, &'a str), String> {
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0 {
        let index = rest[..digits].parse::<usize>().unwrap_or(usize::MAX);
        let groups = pattern.captures_len() - 1;
        if index > groups {
            let groups = if groups == 1 { "1 group".to_owned() } else { format!("{groups} groups") };
            return Err(format!("there is no group `${}`: the pattern has {groups}", &rest[..digits]));
        }
        return Ok((index, &rest[digits..]));
    }
    let Some((name, behind)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
        return Err("a `$` is followed by a group: `$1`, `$<name>`; for a dollar write `$$`".to_owned());
    };
    let found = pattern.capture_names().position(|known| known == Some(name));
    found.map(|index| (index, behind)).ok_or_else(|| format!("the pattern has no group named `{name}`"))
}

/// What a path or query may hold as it is.
fn is_allowed(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '#' | '\\' | '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}')
}

/// A piece of a path as the value of a query parameter: it must not become another parameter.
fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' | '=' | '+' | ';' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{:02X}", u32::from(c));
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, template: &str, path: &str, expect: &str) {
        let pattern = Regex::new(pattern).unwrap();
        let rewrite = Rewrite::read(template, &pattern).unwrap();
        let mut out = String::from("<");
        rewrite.expand(&pattern, path, &mut out);
        assert_eq!(out.strip_prefix('<').unwrap(), expect, "{template}");
    }

    #[test]
    fn groups_become_the_path() {
        check("^/legacy/(.*)$", "/$1", "/legacy/a/b", "/a/b");
        check("^/legacy(/.*)?$", "$1", "/legacy", "/");
        check("^/legacy(/.*)?$", "$1", "/legacy/x", "/x");
        check("^/(a)|(b)$", "/$1-$2", "/a", "/a-");
        check("^/(?<id>[0-9]+)$", "/users/$<id>/x", "/7", "/users/7/x");
        check("b+", "/$0", "/abbc", "/bb");
        check("^/x", "fixed", "/x/y", "/fixed");
        check("^/x", "/a$$b", "/x", "/a$b");
        check("^/s/(.*)$", "/s?q=$1&x=1", "/s/a&b=c", "/s?q=a%26b%3Dc&x=1");
    }

    #[test]
    fn a_rewrite_never_leaves_the_path() {
        check("^/(.*)$", "$1", "//evil.example/x", "/evil.example/x");
        check("^/(.*)$", "$1", "/@evil.example", "/@evil.example");
    }
}
