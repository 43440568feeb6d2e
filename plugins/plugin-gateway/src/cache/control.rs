//! The directives of `Cache-Control` and of `Surrogate-Control`. Pure; any bytes may be asked about.
//!
//! Of a directive that comes twice the first counts. A number that is none makes an answer stale (RFC 9111, 4.2.1). Spaces
//! around `=` are no directive of that name.

use http::{HeaderMap, HeaderName, header};

/// No lifetime is longer, in seconds (RFC 9111, 1.2.2).
const LONGEST: u64 = 1 << 31;
/// How upstreams name this surrogate in `Surrogate-Control`.
pub(crate) const SURROGATE: &str = "buntime";
pub(crate) const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// What a message says about caching. Numbers are seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<u64>,
    pub(crate) s_maxage: Option<u64>,
    pub(crate) stale_while_revalidate: Option<u64>,
    pub(crate) stale_if_error: Option<u64>,
    pub(crate) min_fresh: Option<u64>,
    /// `u64::MAX` for however stale.
    pub(crate) max_stale: Option<u64>,
    /// Named by a qualified `no-cache` or `private`: not to be stored.
    pub(crate) fields: Vec<HeaderName>,
}

impl Control {
    /// What `Cache-Control` says.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for line in headers.get_all(header::CACHE_CONTROL) {
            each(line.as_bytes(), |name, argument| control.take(name, &argument));
        }
        control
    }

    /// What `Surrogate-Control` says to this surrogate, if anything.
    pub(crate) fn of_surrogate(headers: &HeaderMap) -> Option<Self> {
        let mut control = Self::default();
        let mut said = false;
        for line in headers.get_all(SURROGATE_CONTROL) {
            let Ok(text) = line.to_str() else { continue };
            for member in text.split(',') {
                let (directive, target) = member.split_once(';').unwrap_or((member, SURROGATE));
                if !target.trim().eq_ignore_ascii_case(SURROGATE) {
                    continue;
                }
                let (name, argument) = directive.trim().split_once('=').unwrap_or((directive.trim(), ""));
                if name.eq_ignore_ascii_case("no-store") {
                    (control.no_store, said) = (true, true);
                } else if name.eq_ignore_ascii_case("max-age") {
                    // `600+60`: the second is how long it may be served stale.
                    let (fresh, stale) = argument.split_once('+').unwrap_or((argument, ""));
                    if let Some(fresh) = seconds(fresh.as_bytes()) {
                        control.max_age.get_or_insert(fresh);
                        control.stale_while_revalidate = seconds(stale.as_bytes());
                        said = true;
                    }
                }
            }
        }
        said.then_some(control)
    }

    fn take(&mut self, name: &[u8], argument: &Argument<'_>) {
        let number = || match argument {
            Argument::None | Argument::Wrong => None,
            Argument::Text(text) => seconds(text),
        };
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        // A lifetime that is no number is none: stale.
        let lifetime = |place: &mut Option<u64>| *place = place.or_else(|| Some(number().unwrap_or(0)));
        let grace = |place: &mut Option<u64>| *place = place.or(number());
        if is("max-age") {
            lifetime(&mut self.max_age);
        } else if is("s-maxage") {
            lifetime(&mut self.s_maxage);
        } else if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache |= !self.take_fields(argument);
        } else if is("private") {
            self.private |= !self.take_fields(argument);
        } else if is("public") {
            self.public = true;
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if is("must-understand") {
            self.must_understand = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("stale-while-revalidate") {
            grace(&mut self.stale_while_revalidate);
        } else if is("stale-if-error") {
            grace(&mut self.stale_if_error);
        } else if is("min-fresh") {
            grace(&mut self.min_fresh);
        } else if is("max-stale") {
            let any = matches!(argument, Argument::None).then_some(u64::MAX);
            self.max_stale = self.max_stale.or(any).or(number());
        }
    }

    /// The fields a qualified directive names; false if it names none, and so means all of the message.
    fn take_fields(&mut self, argument: &Argument<'_>) -> bool {
        let Argument::Text(text) = argument else { return false };
        let names = text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let names: Option<Vec<HeaderName>> = names.map(|name| HeaderName::from_bytes(name).ok()).collect();
        match names {
            Some(names) if !names.is_empty() => {
                self.fields.extend(names);
                true
            }
            _ => false,
        }
    }
}

/// What follows a directive's name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument<'a> {
    None,
    Text(std::borrow::Cow<'a, [u8]>),
    /// Neither a token nor a quoted string.
    Wrong,
}

/// A number of seconds: digits and nothing else.
pub(crate) fn seconds(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(number.min(LONGEST))
}

/// Each directive of a line.
fn each<'a>(line: &'a [u8], mut take: impl FnMut(&'a [u8], Argument<'a>)) {
    let mut rest = line;
    while !rest.is_empty() {
        let end = member_end(rest);
        let member = rest[..end].trim_ascii();
        rest = rest.get(end + 1..).unwrap_or_default();
        let name_end = member.iter().position(|byte| *byte == b'=' || byte.is_ascii_whitespace());
        let (name, behind) = member.split_at(name_end.unwrap_or(member.len()));
        if name.is_empty() {
            continue;
        }
        match behind {
            [] => take(name, Argument::None),
            [b'=', b'"', quoted @ ..] => take(name, unquoted(quoted)),
            [b'=', token @ ..] if !token.is_empty() && !token.iter().any(u8::is_ascii_whitespace) => {
                take(name, Argument::Text(token.into()));
            }
            // `max-age = 60` is nobody's max-age, but `no-store ,` and `no-store x` are meant.
            _ if behind.contains(&b'=') && behind[0] != b'=' => {}
            _ => take(name, Argument::Wrong),
        }
    }
}

/// Where a member ends: at a comma that is in no quotes.
fn member_end(text: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// A quoted string without its first quote.
fn unquoted(text: &[u8]) -> Argument<'_> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return if bytes.next().is_none() { Argument::Text(plain.into()) } else { Argument::Wrong },
            b'\\' => plain.extend(bytes.next()),
            other => plain.push(*other),
        }
    }
    Argument::Wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(lines: &[&str]) -> Control {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_str(line).unwrap());
        }
        Control::of(&headers)
    }

    #[test]
    fn numbers_are_digits_and_the_first_counts() {
        for (line, max_age) in [
            ("max-age=5", Some(5)),
            ("MaX-aGe=5", Some(5)),
            ("max-age=\"5\"", Some(5)),
            ("max-age=005", Some(5)),
            ("max-age='5'", Some(0)),
            ("max-age=-5", Some(0)),
            ("max-age=5.0", Some(0)),
            ("max-age=", Some(0)),
            ("max-age= 5", Some(0)),
            ("max-age =5", None),
            ("max-age=5, max-age=9", Some(5)),
            ("x=\"max-age=9\", max-age=5", Some(5)),
            ("x=\"a\\\", max-age=9\", max-age=5", Some(5)),
            ("max-age=99999999999999999999999", Some(LONGEST)),
            ("x-max-age=5", None),
        ] {
            assert_eq!(of(&[line]).max_age, max_age, "{line}");
        }
        assert_eq!(of(&["max-age=5", "max-age=9, s-maxage=1"]).s_maxage, Some(1));
    }

    #[test]
    fn qualified_directives_name_fields() {
        let qualified = of(&["no-cache=\"a, B\", private=c"]);
        assert_eq!((qualified.no_cache, qualified.private), (false, false));
        assert_eq!(qualified.fields, ["a", "b", "c"]);
        for line in ["no-cache", "no-cache=\"\"", "no-cache=\"a b\"", "no-cache=\"a", "no-cache x"] {
            assert!(of(&[line]).no_cache, "{line}");
        }
        assert!(of(&["private=\"é\""]).private);
        assert_eq!(of(&["max-stale"]).max_stale, Some(u64::MAX));
    }

    #[test]
    fn a_surrogate_hears_what_is_meant_for_it() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(SURROGATE_CONTROL, HeaderValue::from_static(value))]);
            Control::of_surrogate(&headers).map(|control| (control.max_age, control.no_store))
        };
        assert_eq!(of("max-age=5;buntime, foo"), Some((Some(5), false)));
        assert_eq!(of("MAX-AGE=5+3, no-store"), Some((Some(5), true)));
        for other in ["max-age=5;other", "foo", "max-age =5", "max-age= 5", "max-age=x"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let headers = HeaderMap::from_iter([
                    (header::CACHE_CONTROL, value.clone()), (SURROGATE_CONTROL, value),
                ]);
                let _ = (Control::of(&headers), Control::of_surrogate(&headers));
            }
        }

        #[test]
        fn what_is_quoted_is_no_directive(text in "[ -!#-\\[\\]-~]{0,40}") {
            let control = of(&[&format!("x=\"{text}\"")]);
            prop_assert_eq!(control, Control::default());
        }
    }
}
