//! The compact form of an access line: what a worker writes, the ring keeps, and readers make an entry of.
//!
//! A fixed head and the bytes of nine parts, each cut to its longest. It is not redacted: only [`Line::into_entry`]
//! makes text of it, with the redactor it is given.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use buntime_core::Ended;
use buntime_http::trace_context::TraceContext;
use http::Method;

use crate::{
    entry::{Access, Entry, Level, What},
    record::cut,
    redact::Redactor,
};

/// A part is cut after that many bytes.
const LONGEST_PART: usize = 2048;
/// All that decides whether a `traceparent` is valid, and what it says, is in that many bytes.
const LONGEST_TRACE: usize = 56;
/// The head, in bytes.
const HEAD: usize = 82;
/// No line is shorter.
pub(crate) const LEAST: usize = HEAD;
/// Where the lengths of the parts begin in the head.
const LENGTHS: usize = 64;
const PARTS: usize = 9;
/// The length of a part that is absent.
const ABSENT: u16 = u16::MAX;
/// Flags beside how it ended.
const STDOUT: u8 = 1 << 2;
const V6: u8 = 1 << 3;

/// A finished exchange, borrowed from the exchange itself or from its compact form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Nanoseconds: since the bus began, as the worker writes it; since 1970, once the collector has set it.
    pub(crate) time: u64,
    pub(crate) status: u16,
    pub(crate) ended: Ended,
    /// Goes to stdout too.
    pub(crate) stdout: bool,
    pub(crate) client_ip: IpAddr,
    pub(crate) duration: Duration,
    pub(crate) to_head: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) request_id: &'a [u8],
    pub(crate) method: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) query: Option<&'a [u8]>,
    pub(crate) route: Option<&'a [u8]>,
    pub(crate) plugin: Option<&'a [u8]>,
    pub(crate) user_agent: Option<&'a [u8]>,
    /// `traceparent`.
    pub(crate) trace: Option<&'a [u8]>,
    pub(crate) error: Option<&'a [u8]>,
}

/// What the collector needs of a compact line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peek {
    /// Of the whole line, in bytes.
    pub(crate) len: usize,
    pub(crate) time: u64,
    pub(crate) level: Level,
    pub(crate) stdout: bool,
}

impl<'a> Line<'a> {
    pub(crate) fn level(&self) -> Level {
        Access::level(self.status, self.ended)
    }

    /// The plugin that answered, as entries have it.
    pub(crate) fn plugin(&self) -> Option<&'a str> {
        self.plugin.and_then(|name| std::str::from_utf8(name).ok())
    }

    /// The request's id, as entries have it: visible ASCII or none.
    pub(crate) fn request_id(&self) -> Option<&'a str> {
        let visible = self.request_id.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        std::str::from_utf8(self.request_id).ok().filter(|_| visible)
    }

    /// When it happened, once the collector has set it.
    pub(crate) fn happened(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.time)
    }

    /// Appends the compact form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let part = |bytes: &'a [u8]| &bytes[..bytes.len().min(LONGEST_PART)];
        let parts: [Option<&[u8]>; PARTS] = [
            Some(part(self.request_id)),
            Some(part(self.method)),
            Some(part(self.path)),
            self.query.map(part),
            self.route.map(part),
            self.plugin.map(part),
            self.user_agent.map(part),
            self.trace.map(|trace| &trace[..trace.len().min(LONGEST_TRACE)]),
            self.error.map(part),
        ];
        let mut head = self.head();
        let mut len = HEAD;
        for (index, part) in parts.iter().enumerate() {
            let at = LENGTHS + 2 * index;
            // A part is never as long as 65535 bytes.
            let length = part.map_or(ABSENT, |part| part.len() as u16);
            head[at..at + 2].copy_from_slice(&length.to_le_bytes());
            len += part.map_or(0, <[u8]>::len);
        }
        head[..4].copy_from_slice(&(len as u32).to_le_bytes());
        out.reserve(len);
        out.extend_from_slice(&head);
        for part in parts.into_iter().flatten() {
            out.extend_from_slice(part);
        }
    }

    /// The head, without lengths.
    fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let ended = match self.ended {
            Ended::Whole => 0,
            Ended::ClientGone => 1,
            Ended::Broken => 2,
        };
        let (ip, v6) = match self.client_ip {
            IpAddr::V4(ip) => (ip.to_ipv6_mapped().octets(), 0),
            IpAddr::V6(ip) => (ip.octets(), V6),
        };
        head[4..12].copy_from_slice(&self.time.to_le_bytes());
        head[12..14].copy_from_slice(&self.status.to_le_bytes());
        head[14] = ended | if self.stdout { STDOUT } else { 0 } | v6;
        head[15] = self.level() as u8;
        head[16..32].copy_from_slice(&ip);
        head[32..40].copy_from_slice(&nanos(self.duration).to_le_bytes());
        head[40..48].copy_from_slice(&nanos(self.to_head).to_le_bytes());
        head[48..56].copy_from_slice(&self.bytes_in.to_le_bytes());
        head[56..64].copy_from_slice(&self.bytes_out.to_le_bytes());
        head
    }

    /// Reads the compact form that begins there. `None` when there is none, or not all of it.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let len = peek(bytes)?.len;
        let (head, mut rest) = bytes.get(..len)?.split_first_chunk::<HEAD>()?;
        let mut parts = [None; PARTS];
        for (index, part) in parts.iter_mut().enumerate() {
            let at = LENGTHS + 2 * index;
            let length = u16::from_le_bytes([head[at], head[at + 1]]);
            if length != ABSENT {
                let (this, others) = rest.split_at_checked(length.into())?;
                (*part, rest) = (Some(this), others);
            }
        }
        let [request_id, method, path, query, route, plugin, user_agent, trace, error] = parts;
        Some(Self {
            time: number(head, 4),
            status: u16::from_le_bytes([head[12], head[13]]),
            ended: match head[14] & 3 {
                0 => Ended::Whole,
                1 => Ended::ClientGone,
                _ => Ended::Broken,
            },
            stdout: head[14] & STDOUT != 0,
            client_ip: address(head),
            duration: Duration::from_nanos(number(head, 32)),
            to_head: Duration::from_nanos(number(head, 40)),
            bytes_in: number(head, 48),
            bytes_out: number(head, 56),
            request_id: request_id?,
            method: method?,
            path: path?,
            query,
            route,
            plugin,
            user_agent,
            trace,
            error,
        })
    }

    /// The entry, without secrets.
    pub(crate) fn into_entry(self, id: u64, redactor: &Redactor) -> Entry {
        let part = |bytes: &[u8]| -> Box<str> { redacted(bytes, |text| redactor.text(text)) };
        let access = Access {
            method: Method::from_bytes(self.method).unwrap_or_default(),
            path: part(self.path),
            query: self.query.map(|query| redacted(query, |text| redactor.query(text))),
            route: self.route.map(shared),
            status: self.status,
            duration: self.duration,
            to_head: self.to_head,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            client_ip: self.client_ip,
            user_agent: self.user_agent.map(part),
            ended: self.ended,
            error: self.error.map(|code| String::from_utf8_lossy(code).into()),
            trace: self.trace.and_then(TraceContext::parse),
        };
        Entry {
            id,
            time: self.happened(),
            level: self.level(),
            plugin: self.plugin.map(shared),
            request_id: self.request_id().map(Into::into),
            what: What::Access(Box::new(access)),
        }
    }
}

/// What stands in the head of the line that begins there; `None` where none begins.
pub(crate) fn peek(bytes: &[u8]) -> Option<Peek> {
    let head = bytes.first_chunk::<HEAD>()?;
    let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let level = *Level::ALL.get(usize::from(head[15]))?;
    (len >= HEAD).then_some(Peek { len, time: number(head, 4), level, stdout: head[14] & STDOUT != 0 })
}

/// Sets the time of a compact line.
pub(crate) fn set_time(line: &mut [u8], time: u64) {
    if let Some(place) = line.get_mut(4..12) {
        place.copy_from_slice(&time.to_le_bytes());
    }
}

/// Nanoseconds; as many as fit.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn number(head: &[u8; HEAD], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&head[at..at + 8]);
    u64::from_le_bytes(bytes)
}

fn address(head: &[u8; HEAD]) -> IpAddr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&head[16..32]);
    if head[14] & V6 != 0 {
        return Ipv6Addr::from(octets).into();
    }
    Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]).into()
}

/// Cut before, so that redacting is bounded, and after, as it may make text longer.
fn redacted(bytes: &[u8], redact: impl FnOnce(&str) -> Cow<'_, str>) -> Box<str> {
    let text = String::from_utf8_lossy(bytes);
    cut(&redact(cut(&text, LONGEST_PART)), LONGEST_PART).into()
}

fn shared(text: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(text).into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::{collection::vec, option, prelude::*};

    /// A line of a path, from that moment.
    pub(crate) fn line(time: u64, status: u16, path: &str) -> Line<'_> {
        Line {
            time,
            status,
            ended: Ended::Whole,
            stdout: false,
            client_ip: Ipv4Addr::LOCALHOST.into(),
            duration: Duration::from_micros(10),
            to_head: Duration::from_micros(5),
            bytes_in: 1,
            bytes_out: 2,
            request_id: b"r-1",
            method: b"GET",
            path: path.as_bytes(),
            query: None,
            route: None,
            plugin: None,
            user_agent: None,
            trace: None,
            error: None,
        }
    }

    fn encoded(line: &Line<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        line.encode(&mut bytes);
        bytes
    }

    type Numbers = (u64, u16, u8, bool, u64, u64, u64, u64);

    fn given<'a>(numbers: Numbers, ip: IpAddr, parts: &'a [Vec<u8>], more: &'a [Option<Vec<u8>>]) -> Line<'a> {
        let (time, status, ended, stdout, duration, to_head, bytes_in, bytes_out) = numbers;
        let more = |index: usize| more[index].as_deref();
        Line {
            time,
            status,
            ended: [Ended::Whole, Ended::ClientGone, Ended::Broken][usize::from(ended % 3)],
            stdout,
            client_ip: ip,
            duration: Duration::from_nanos(duration),
            to_head: Duration::from_nanos(to_head),
            bytes_in,
            bytes_out,
            request_id: &parts[0],
            method: &parts[1],
            path: &parts[2],
            query: more(0),
            route: more(1),
            plugin: more(2),
            user_agent: more(3),
            trace: more(4),
            error: more(5),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            numbers in any::<Numbers>(),
            ip in any::<IpAddr>(),
            parts in vec(vec(any::<u8>(), 0..60), 3),
            more in vec(option::of(vec(any::<u8>(), 0..56)), 6),
            behind in vec(any::<u8>(), 0..20),
        ) {
            let line = given(numbers, ip, &parts, &more);
            let mut bytes = encoded(&line);
            let len = bytes.len();
            bytes.extend(behind);
            prop_assert_eq!(Line::decode(&bytes), Some(line.clone()));
            let expected = Peek { len, time: line.time, level: line.level(), stdout: line.stdout };
            prop_assert_eq!(peek(&bytes), Some(expected));
            prop_assert_eq!(Line::decode(&bytes[..len - 1]), None);
            // Whatever the bytes are, an entry can be made of them.
            let entry = line.into_entry(7, &Redactor::default());
            prop_assert!(serde_json::to_string(&entry).is_ok());
        }

        #[test]
        fn nothing_breaks_reading(bytes in vec(any::<u8>(), 0..300)) {
            let _ = Line::decode(&bytes);
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = "é".repeat(3000);
        let part = Some(long.as_bytes());
        let line = Line {
            request_id: long.as_bytes(),
            method: long.as_bytes(),
            query: part,
            route: part,
            plugin: part,
            user_agent: part,
            trace: part,
            error: part,
            ..line(1, 200, &long)
        };
        let bytes = encoded(&line);
        assert_eq!(bytes.len(), HEAD + 8 * LONGEST_PART + LONGEST_TRACE);
        let line = Line::decode(&bytes).unwrap();
        assert_eq!(line.path, &long.as_bytes()[..LONGEST_PART]);
        let entry = line.into_entry(1, &Redactor::default());
        let What::Access(access) = entry.what else { panic!("not an access line") };
        assert_eq!((access.path.len(), access.user_agent.unwrap().len()), (LONGEST_PART, LONGEST_PART));
    }

    #[test]
    fn the_time_can_be_set_later() {
        let mut bytes = encoded(&line(1, 500, "/"));
        set_time(&mut bytes, 1_700_000_000_000_000_000);
        let entry = Line::decode(&bytes).unwrap().into_entry(1, &Redactor::default());
        assert_eq!((&*entry.timestamp(), entry.level), ("2023-11-14T22:13:20.000Z", Level::Error));
    }
}
