//! W3C trace context: `traceparent` and `tracestate`, read and written. Level 2; what a later version adds is ignored.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header of the trace and the caller's span.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header of what tracing systems tell themselves.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Entries of a `tracestate` that are passed on.
const MAX_MEMBERS: usize = 32;
/// Bytes of a `tracestate` that are passed on; the standard wants at least this many.
const MAX_STATE: usize = 512;

/// A place in a trace. Ids are never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl TraceContext {
    /// The beginning of a trace of our own.
    pub fn new_root(sampled: bool) -> Self {
        Self {
            trace_id: Uuid::new_v7(uuid::Timestamp::now(uuid::NoContext)).as_u128(),
            span_id: new_span_id(),
            flags: u8::from(sampled),
        }
    }

    /// What the request says, if it says one valid thing.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(TRACEPARENT).iter();
        match (given.next(), given.next()) {
            (Some(value), None) => Self::parse(value.as_bytes()),
            _ => None,
        }
    }

    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`; versions to come may have more behind it.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let hyphens = value.len() >= 55 && value[2] == b'-' && value[35] == b'-' && value[52] == b'-';
        if !hyphens {
            return None;
        }
        let version = hex(&value[..2])?;
        let ends_well = match version {
            0 => value.len() == 55,
            0xff => false,
            _ => value.len() == 55 || value[55] == b'-',
        };
        let (trace_id, span_id) = (hex(&value[3..35])?, hex(&value[36..52])?);
        let flags = hex(&value[53..55])?;
        if !ends_well || trace_id == 0 || span_id == 0 {
            return None;
        }
        // The slices are 16 and 2 digits: both fit.
        Some(Self { trace_id, span_id: span_id as u64, flags: flags as u8 })
    }

    /// A span of ours below this one: same trace, new span.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: new_span_id(), ..*self }
    }

    /// The trace.
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The span: the caller's in what was read, ours in what is sent.
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// Does the caller record this trace?
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// As a header. Only flags that level 2 knows (sampled, random) are passed on.
    pub fn to_header(&self) -> HeaderValue {
        // Hexadecimal digits and hyphens are always a valid value.
        HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags & 3)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The `tracestate` to pass on: the request's lines joined, cut at whole entries to the sizes of the standard, `None`
/// when there is none or it is malformed. Means nothing without a valid `traceparent`.
pub fn tracestate(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut joined = String::new();
    let mut count = 0;
    for line in headers.get_all(TRACESTATE) {
        for member in line.to_str().ok()?.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            if !is_member(member) {
                return None;
            }
            count += 1;
            if count > MAX_MEMBERS || joined.len() + member.len() >= MAX_STATE {
                return finish(joined);
            }
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(member);
        }
    }
    finish(joined)
}

fn finish(joined: String) -> Option<HeaderValue> {
    if joined.is_empty() { None } else { HeaderValue::try_from(joined).ok() }
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let key_is_valid = key.as_bytes().first().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.len() <= 256
        && key.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"_-*/@".contains(&c));
    key_is_valid && value.len() <= 256 && value.bytes().all(|c| (b' '..=b'~').contains(&c) && c != b'=')
}

/// Lower case only, as the standard wants.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |sum, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(sum << 4 | u128::from(value))
    })
}

/// The random half of a `UUIDv7`, and never zero.
fn new_span_id() -> u64 {
    (Uuid::now_v7().as_u128() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn reads_what_the_standard_says() {
        let context = TraceContext::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(context.to_string(), GOOD);
        assert!(context.is_sampled());
        assert_eq!(context.child().trace_id(), context.trace_id());
        assert_ne!(context.child().span_id(), context.span_id());
        assert!(TraceContext::parse(GOOD.replacen("00", "01", 1).as_bytes()).is_some());
        assert!(TraceContext::parse(format!("{}-more", GOOD.replacen("00", "cc", 1)).as_bytes()).is_some());
        for bad in [
            String::new(),
            GOOD.to_uppercase(),
            format!("{GOOD}-more"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD[..54].to_owned(),
        ] {
            assert!(TraceContext::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn two_parents_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert!(TraceContext::of(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert!(TraceContext::of(&headers).is_none());
    }

    #[test]
    fn states_are_joined_and_checked() {
        let state = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(TRACESTATE, line.parse().unwrap());
            }
            tracestate(&headers).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(state(&["a=1, b=2", "c@d=3"]).as_deref(), Some("a=1,b=2,c@d=3"));
        assert_eq!(state(&[]), None);
        assert_eq!(state(&["A=1"]), None);
        assert_eq!(state(&["a"]), None);
        assert!(state(&[&"ab=1,".repeat(200)]).unwrap().len() <= MAX_STATE);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(trace_id in 1u128.., span_id in 1u64.., flags in 0u8..4) {
            let context = TraceContext { trace_id, span_id, flags };
            prop_assert_eq!(TraceContext::parse(context.to_header().as_bytes()), Some(context));
        }

        #[test]
        fn nothing_panics(value in prop::collection::vec(any::<u8>(), 0..80)) {
            TraceContext::parse(&value);
        }
    }
}
