//! The messages of one connection, one after another: heads, bodies, upgrades.

use super::{
    Refusal, WireLimits,
    chunked::{Chunked, Step},
    head::{BodyFraming, HeadCheck},
};

#[derive(Debug)]
enum State {
    /// In or before a head.
    Head(HeadCheck),
    /// In a body of that many more bytes.
    Sized(u64),
    Chunked(Chunked),
    /// Behind a request that asked for an upgrade: nothing is judged until it is answered.
    Undecided,
    /// A chunked body broke its framing; nothing after it can be believed.
    Broken,
    /// A head was refused; nothing after it is read.
    Refused,
}

/// Follows the messages of one connection.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    limits: WireLimits,
    /// Heads found good so far.
    heads: u64,
    /// The message at hand asked for an upgrade.
    upgrade: bool,
    refusal: Option<Refusal>,
}

impl Framing {
    pub(super) fn new(limits: WireLimits) -> Self {
        Self { state: State::Head(HeadCheck::default()), limits, heads: 0, upgrade: false, refusal: None }
    }

    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    pub(super) fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken)
    }

    /// Between messages or in a head, not in a body.
    pub(super) fn is_at_head(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// The upgrade was declined: HTTP goes on.
    pub(super) fn declined(&mut self) {
        if self.is_undecided() {
            self.state = State::Head(HeadCheck::default());
        }
    }

    /// Refuses the message whose head is arriving.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal);
        self.state = State::Refused;
    }

    /// Judges `bytes`: what was held back last time, then what is new. Returns how many of them hyper may see; the
    /// rest must be held and presented again, followed by what comes next.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            match &mut self.state {
                State::Head(check) => {
                    if rest.is_empty() {
                        return at;
                    }
                    match check.advance(rest, &self.limits) {
                        Ok(None) => return at,
                        Ok(Some(head)) => {
                            at += head.len;
                            self.heads += 1;
                            self.upgrade = head.upgrade;
                            match head.body {
                                BodyFraming::Sized(0) => self.end_of_message(),
                                BodyFraming::Sized(length) => self.state = State::Sized(length),
                                BodyFraming::Chunked => self.state = State::Chunked(Chunked::new()),
                            }
                        }
                        Err(refusal) => {
                            self.refuse(refusal);
                            return at;
                        }
                    }
                }
                State::Sized(left) => {
                    let take = (*left).min(rest.len() as u64);
                    *left -= take;
                    at += take as usize;
                    if *left > 0 {
                        return at;
                    }
                    self.end_of_message();
                }
                State::Chunked(chunked) => match chunked.advance(rest, &self.limits) {
                    Step::More => return bytes.len(),
                    Step::Done(end) => {
                        at += end;
                        self.end_of_message();
                    }
                    Step::Broken(index) => {
                        self.state = State::Broken;
                        return at + index;
                    }
                },
                State::Undecided | State::Broken | State::Refused => return at,
            }
        }
    }

    fn end_of_message(&mut self) {
        self.state = if self.upgrade { State::Undecided } else { State::Head(HeadCheck::default()) };
        self.upgrade = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: WireLimits = WireLimits { max_uri: 100, max_header_bytes: 1000, max_headers: 10 };

    /// Everything that passes when `input` arrives in the given pieces, and how it ended.
    fn run(input: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<Refusal>, bool, u64) {
        let mut framing = Framing::new(LIMITS);
        let (mut passed, mut held, mut at) = (Vec::new(), Vec::new(), 0);
        for cut in cuts.iter().copied().chain([input.len()]) {
            let cut = cut.clamp(at, input.len());
            held.extend_from_slice(&input[at..cut]);
            at = cut;
            let pass = framing.feed(&held);
            passed.extend(held.drain(..pass));
        }
        (passed, framing.refusal(), framing.is_broken(), framing.heads())
    }

    fn refused(input: &str) -> Option<Refusal> {
        run(input.as_bytes(), &[]).1
    }

    #[test]
    fn good_messages_pass_whole() {
        for input in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a:80\r\n\r\nGET /b HTTP/1.1\r\nhost: [::1]:1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nX: \tb\u{e9}\t\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            let (passed, refusal, broken, _) = run(input.as_bytes(), &[]);
            assert_eq!((refusal, broken), (None, false), "{input:?}");
            assert_eq!(String::from_utf8(passed).unwrap(), input);
        }
    }

    #[test]
    fn doubtful_heads_are_refused() {
        let get = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
        for fields in [
            "X: y",
            "Host: a\r\nHost: a",
            "Host: a\r\nHost: b",
            "Host:",
            "Host: a b",
            "Host: a, b",
            "Host: u@a",
            "Host: a/b",
            "Host: a:b",
            "Host: [::1",
            "Host: a\r\nContent-Length: +1",
            "Host: a\r\nContent-Length: -1",
            "Host: a\r\nContent-Length: 0x1",
            "Host: a\r\nContent-Length: 1 1",
            "Host: a\r\nContent-Length: 1,1",
            "Host: a\r\nContent-Length: ",
            "Host: a\r\nContent-Length: 99999999999999999999",
            "Host: a\r\nContent-Length: 1\r\nContent-Length: 1",
            "Host: a\r\nContent-Length: 1\r\nContent-Length: 2",
            "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
            "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1",
            "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Host: a\r\nTransfer-Encoding: chunked, identity",
            "Host: a\r\nTransfer-Encoding: gzip, chunked",
            "Host: a\r\nTransfer-Encoding: xchunked",
            "Host: a\r\nTransfer-Encoding: \u{b}chunked",
            "Host: a\r\nTransfer-Encoding: \u{c}chunked",
            "Host: a\r\nTransfer-Encoding : chunked",
            "Host: a\r\n Folded: x",
            "Host: a\r\nX: y\r\n\tz",
            "Host: a\r\nX: a\rb",
            "Host: a\r\nX: a\nY: b",
            "Host: a\r\nX: a\0b",
            "Host: a\r\nX: a\u{7f}b",
            "Host: a\r\n: x",
            "Host: a\r\nX",
            "Host: a\r\nX y: z",
            "Host: a\nX: y",
        ] {
            assert!(matches!(refused(&get(fields)), Some(Refusal::Malformed(_))), "{fields:?}");
        }
        for line in [
            "GET  / HTTP/1.1",
            "GET / ",
            "GET /",
            " GET / HTTP/1.1",
            "G@T / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET a HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET / http/1.1",
            "GET / HTTP/1.1 ",
        ] {
            let input = format!("{line}\r\nHost: a\r\n\r\n");
            assert!(matches!(refused(&input), Some(Refusal::Malformed(_))), "{line:?}");
        }
        assert_eq!(refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), Some(Refusal::Version));
        assert_eq!(refused("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), Some(Refusal::Connect));
        assert!(matches!(
            refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Some(Refusal::Malformed(_))
        ));
    }

    #[test]
    fn limits_hold_before_a_line_is_whole() {
        assert_eq!(refused(&format!("GET /{}", "a".repeat(200))), Some(Refusal::UriTooLong));
        assert_eq!(refused(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(101))), Some(Refusal::UriTooLong));
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(1000))), Some(Refusal::HeadersTooLarge));
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(11))), Some(Refusal::HeadersTooLarge));
        assert!(refused("\r\n\r\n\r\n").is_some());
    }

    #[test]
    fn doubtful_chunks_break_the_body() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            " 1\r\na\r\n",
            "1 \r\na\r\n",
            "0x1\r\na\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "00000000000000001\r\n",
            "fffffffffffffffff\r\n",
            "1;a\nb\r\na\r\n",
            "0\r\nX\r\n\r\n",
            "0\r\n x: y\r\n\r\n",
            "0\r\nx: y\n\r\n",
            "0\r\n\n",
            "1;\0\r\n",
        ] {
            let (passed, refusal, broken, heads) = run(format!("{head}{body}").as_bytes(), &[]);
            assert_eq!((refusal, broken, heads), (None, true, 1), "{body:?}");
            assert!(passed.len() < head.len() + body.len());
        }
        let flood = format!("{head}{}", "1;aaaaaaaaaaaaaaaa\r\nb\r\n".repeat(1000));
        assert!(run(flood.as_bytes(), &[]).2);
        let trailers = format!("{head}0\r\n{}", "x: y\r\n".repeat(11));
        assert!(run(trailers.as_bytes(), &[]).2);
    }

    #[test]
    fn what_follows_an_upgrade_request_waits() {
        let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
        let mut framing = Framing::new(LIMITS);
        let bytes = format!("{upgrade}\x01\x02");
        assert_eq!(framing.feed(bytes.as_bytes()), upgrade.len());
        assert!(framing.is_undecided());
        framing.declined();
        assert_eq!(framing.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 27);
    }

    proptest! {
        #[test]
        fn the_way_it_is_cut_changes_nothing(
            parts in prop::collection::vec(prop::sample::select(vec![
                "GET / HTTP/1.1\r\n", "Host: a\r\n", "\r\n", "\n", "\r", "Content-Length: 3\r\n", "abc", " ",
                "Transfer-Encoding: chunked\r\n", "3\r\n", "0\r\n", "POST /x HTTP/1.1\r\nHost: b\r\n", ";x", "\0",
            ]), 0..20),
            mut cuts in prop::collection::vec(0usize..200, 0..20),
        ) {
            let input = parts.concat();
            cuts.sort_unstable();
            prop_assert_eq!(run(input.as_bytes(), &cuts), run(input.as_bytes(), &[]));
        }

        #[test]
        fn nothing_panics(input in prop::collection::vec(any::<u8>(), 0..300)) {
            run(&input, &[100]);
        }
    }
}
