//! One request head, judged line by line as it arrives. Each byte is looked at once, however the head is cut.

use super::{Refusal, WireLimits};

/// How the body behind a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    Sized(u64),
    Chunked,
}

/// A head that was found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its length, the empty line included.
    pub(super) len: usize,
    pub(super) body: BodyFraming,
    /// It asks for an upgrade: what follows may not be HTTP.
    pub(super) upgrade: bool,
}

/// Empty lines before a request line that are let pass, as RFC 9112 2.2 advises.
const MAX_BLANK_LINES: usize = 2;
/// What a request line may hold beside its target: method, spaces, version.
const REQUEST_LINE_EXTRA: usize = 64;
/// Longest method that is believed.
const MAX_METHOD: usize = 32;

/// A head being judged.
#[derive(Debug, Default)]
pub(super) struct HeadCheck {
    scanned: usize,
    line: usize,
    blanks: usize,
    fields: usize,
    begun: bool,
    http10: bool,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl HeadCheck {
    /// Goes on judging `head`, which is everything since the head's first byte. `None`: more is needed.
    pub(super) fn advance(&mut self, head: &[u8], limits: &WireLimits) -> Result<Option<Head>, Refusal> {
        while let Some(offset) = head[self.scanned..].iter().position(|&byte| byte == b'\n') {
            let end = self.scanned + offset;
            let Some(line) = head[self.line..end].strip_suffix(b"\r") else {
                return Err(Refusal::Malformed("A line of the request's head ends without CR"));
            };
            self.scanned = end + 1;
            self.line = end + 1;
            if end >= limits.max_header_bytes && self.begun {
                return Err(Refusal::HeadersTooLarge);
            }
            match (self.begun, line.is_empty()) {
                (false, true) => self.blank()?,
                (false, false) => self.request_line(line, limits)?,
                (true, false) => self.field(line, limits)?,
                (true, true) => return self.finish(end + 1).map(Some),
            }
        }
        self.scanned = head.len();
        if !self.begun && head.len() - self.line > limits.max_uri.saturating_add(REQUEST_LINE_EXTRA) {
            return Err(Refusal::UriTooLong);
        }
        if self.begun && head.len() > limits.max_header_bytes {
            return Err(Refusal::HeadersTooLarge);
        }
        Ok(None)
    }

    fn blank(&mut self) -> Result<(), Refusal> {
        self.blanks += 1;
        if self.blanks > MAX_BLANK_LINES { Err(Refusal::Malformed("The request line is empty")) } else { Ok(()) }
    }

    fn request_line(&mut self, line: &[u8], limits: &WireLimits) -> Result<(), Refusal> {
        self.begun = true;
        let malformed = Refusal::Malformed("The request line is not `METHOD target HTTP/1.1`");
        let mut parts = line.splitn(3, |&byte| byte == b' ');
        let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        if method.is_empty() || method.len() > MAX_METHOD || !method.iter().all(|&byte| is_token(byte)) {
            return Err(malformed);
        }
        if target.len() > limits.max_uri {
            return Err(Refusal::UriTooLong);
        }
        if target.is_empty() || !target.iter().all(|&byte| byte > b' ' && byte < 0x7f) {
            return Err(malformed);
        }
        match version {
            b"HTTP/1.1" => {}
            b"HTTP/1.0" => self.http10 = true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
                return Err(Refusal::Version);
            }
            _ => return Err(malformed),
        }
        if method == b"CONNECT" {
            return Err(Refusal::Connect);
        }
        // Origin form, absolute form of http, or `*`: everything else is for proxies, or an attempt to look like one.
        let absolute =
            |scheme: &[u8]| target.len() > scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme);
        if target[0] == b'/' || target == b"*" || absolute(b"http://") || absolute(b"https://") {
            Ok(())
        } else {
            Err(Refusal::Malformed("The request target must begin with /"))
        }
    }

    fn field(&mut self, line: &[u8], limits: &WireLimits) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > limits.max_headers {
            return Err(Refusal::HeadersTooLarge);
        }
        let name_len = line.iter().position(|&byte| !is_token(byte)).unwrap_or(line.len());
        if name_len == 0 || line.get(name_len) != Some(&b':') {
            return Err(match line[0] {
                b' ' | b'\t' => Refusal::Malformed("A header field is folded over two lines"),
                _ => Refusal::Malformed("A header field is not `name: value`"),
            });
        }
        let (name, value) = (&line[..name_len], trim(&line[name_len + 1..]));
        if !value.iter().all(|&byte| is_value(byte)) {
            return Err(Refusal::Malformed("A header field has a control character in its value"));
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.hosts += 1;
        if self.hosts > 1 {
            return Err(Refusal::Malformed("The Host header is repeated"));
        }
        if host_is_valid(value) { Ok(()) } else { Err(Refusal::Malformed("The Host header is not a host")) }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::Malformed("The Content-Length header is repeated"));
        }
        // 19 digits always fit.
        if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::Malformed("The Content-Length is not a plain number"));
        }
        self.length = Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')));
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::Malformed("The only Transfer-Encoding understood is `chunked`, once"));
        }
        self.chunked = true;
        Ok(())
    }

    fn finish(&self, len: usize) -> Result<Head, Refusal> {
        if self.hosts == 0 {
            return Err(Refusal::Malformed("The Host header is missing"));
        }
        let body = match (self.chunked, self.length) {
            (true, Some(_)) => {
                return Err(Refusal::Malformed("Content-Length and Transfer-Encoding exclude each other"));
            }
            (true, None) if self.http10 => {
                return Err(Refusal::Malformed("HTTP/1.0 has no Transfer-Encoding"));
            }
            (true, None) => BodyFraming::Chunked,
            (false, length) => BodyFraming::Sized(length.unwrap_or(0)),
        };
        Ok(Head { len, body, upgrade: self.upgrade && !self.http10 })
    }
}

const fn table(members: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut index = 0;
    while index < members.len() {
        table[members[index] as usize] = true;
        index += 1;
    }
    table
}

static TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
static HOST: [bool; 256] = table(b"-._~!$&'()*+;=%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

/// Without the spaces and tabs around it; `trim_ascii` would also take form feeds, which are refused.
fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(start) = value.iter().position(|byte| !blank(byte)) else { return &[] };
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// A character of a field name or method.
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// A character of a field value.
pub(super) fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Is this the `host[:port]` that a Host header or an authority may hold? User info, lists and spaces are refused.
pub(crate) fn host_is_valid(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => {
            let Some(close) = rest.iter().position(|&byte| byte == b']') else { return false };
            let inside = &rest[..close];
            if inside.is_empty() || !inside.iter().all(|&byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.')
            {
                return false;
            }
            (inside, &rest[close + 1..])
        }
        _ => {
            let end = value.iter().position(|&byte| byte == b':').unwrap_or(value.len());
            let host = &value[..end];
            if !host.iter().all(|&byte| HOST[usize::from(byte)]) {
                return false;
            }
            (host, &value[end..])
        }
    };
    let port_is_valid = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !host.is_empty() && port_is_valid
}
