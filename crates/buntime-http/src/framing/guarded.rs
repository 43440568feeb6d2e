//! The stream between a socket and hyper: lets through what [`Framing`] found good, without copying it in the usual
//! case; notes progress for the connection's clock; lingers before it closes on a client that is still sending.

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{LinkState, Refusal, WireLimits, frames::Frames, track::Framing};

/// What hyper is given in the place of a head that was refused; the adapter answers it with the refusal.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// Bytes behind an upgrade request that are kept until it is answered; past it the client has to wait.
const MAX_UNDECIDED: usize = 64 << 10;
/// Bytes of an HTTP/2 connection that are read at once while requests come: some few of them. These are answered before
/// more are read, or the first of many that come together would wait for all the others.
const FEW: usize = 512;
/// Bytes that are read and thrown away before closing on a client that still sends, so that it can read the answer.
const MAX_LINGER: usize = 4 << 20;

#[derive(Debug)]
enum Mode {
    /// HTTP/1, judged.
    Judged(Framing),
    /// The last head was refused; nothing more is read.
    Refused,
    /// HTTP/2, which h2 judges.
    Http2(Pace),
    /// Upgraded: bytes.
    Raw,
}

/// How an HTTP/2 connection is read.
#[derive(Debug)]
struct Pace {
    frames: Frames,
    /// The turn in which requests were read, with more behind them.
    paused: Option<u64>,
    /// More than requests are coming: bodies.
    is_wide: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct GuardedIo<T> {
    inner: T,
    mode: Mode,
    link: Arc<LinkState>,
    /// Bytes that were read and not handed on; the first `vetted` of them may be.
    held: BytesMut,
    vetted: usize,
    lingered: usize,
    shut: bool,
}

/// A stream whose other end may be waiting to hear that what it sent has arrived: a client that sends a request in pieces
/// and knows no `TCP_NODELAY` (Deno's is one) holds the next piece back until the last is acknowledged, which a kernel that
/// expects an answer puts off for 40 ms.
pub(crate) trait Acknowledge {
    /// Says so at once; one system call.
    fn acknowledge(&self);
}

impl<T: AsyncRead + Acknowledge + Unpin> GuardedIo<T> {
    /// HTTP/1: `read` has been read from `inner` already.
    pub(crate) fn http1(inner: T, read: BytesMut, limits: WireLimits, link: Arc<LinkState>) -> Self {
        let mut framing = Framing::new(limits);
        let vetted = framing.feed(&read);
        let mut io = Self { inner, mode: Mode::Judged(framing), link, held: read, vetted, lingered: 0, shut: false };
        io.note();
        io
    }

    /// HTTP/2: bytes are passed as they come.
    pub(crate) fn http2(inner: T, read: BytesMut, link: Arc<LinkState>) -> Self {
        let mut frames = Frames::new();
        frames.feed(&read);
        let (vetted, mode) = (read.len(), Mode::Http2(Pace { frames, paused: None, is_wide: false }));
        Self { inner, mode, link, held: read, vetted, lingered: 0, shut: false }
    }

    /// Takes over what the framing learned: a refusal, a head in pieces.
    fn note(&mut self) {
        let Mode::Judged(framing) = &mut self.mode else { return };
        if let Some(refusal) = framing.refusal() {
            self.link.refuse(framing.heads() + 1, refusal);
            self.link.partial_head.store(false, Relaxed);
            // Heads found good before it go first; everything after it is thrown away.
            self.held.truncate(self.vetted);
            self.held.extend_from_slice(STAND_IN);
            self.vetted = self.held.len();
            self.mode = Mode::Refused;
            return;
        }
        let partial = framing.is_at_head() && self.held.len() > self.vetted;
        let in_body = !framing.is_at_head() && !framing.is_undecided();
        self.link.heads.store(framing.heads(), Relaxed);
        self.link.partial_head.store(partial, Relaxed);
        self.link.in_body.store(in_body, Relaxed);
        if partial || in_body {
            self.inner.acknowledge();
        }
    }

    /// Has the request that asked for an upgrade been answered, and how? If not, the answer wakes who reads.
    fn decide(&mut self, cx: &Context<'_>) {
        let Mode::Judged(framing) = &mut self.mode else { return };
        if !framing.is_undecided() {
            return;
        }
        if self.link.answered.load(Relaxed) < framing.heads() {
            self.link.reader.register(cx.waker());
            self.link.undecided.store(true, Relaxed);
            return;
        }
        if self.link.upgraded.load(Relaxed) {
            self.mode = Mode::Raw;
            self.vetted = self.held.len();
        } else {
            framing.declined();
            self.vetted += framing.feed(&self.held[self.vetted..]);
            self.note();
        }
    }

    fn refuse_late_head(&mut self) {
        if self.link.head_is_late.load(Relaxed)
            && let Mode::Judged(framing) = &mut self.mode
            && framing.is_at_head()
        {
            framing.refuse(Refusal::HeaderTimeout);
            self.note();
        }
    }

    /// Hands on what was judged.
    fn hand_on(&mut self, out: &mut ReadBuf<'_>) {
        let count = self.vetted.min(out.remaining());
        out.put_slice(&self.held[..count]);
        self.held.advance(count);
        self.vetted -= count;
        if self.held.is_empty() {
            // An idle connection keeps no memory for it.
            self.held = BytesMut::new();
        }
    }

    /// Reads straight into hyper's buffer, and takes back what may not be there yet. The usual case: nothing.
    fn read_through(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, out))?;
        let got = out.filled().len() - before;
        if got == 0 {
            return Poll::Ready(Ok(true));
        }
        let Mode::Judged(framing) = &mut self.mode else {
            // What is in pieces here is not known.
            self.inner.acknowledge();
            return Poll::Ready(Ok(true));
        };
        let pass = framing.feed(&out.filled()[before..]);
        if pass < got {
            self.held.extend_from_slice(&out.filled()[before + pass..]);
            out.set_filled(before + pass);
        }
        self.note();
        Poll::Ready(Ok(pass > 0))
    }

    /// Reads requests a few at a time, and bodies as they come.
    fn read_http2(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Mode::Http2(pace) = &mut self.mode else { return Poll::Ready(Ok(())) };
        let turn = self.link.turns.load(Relaxed);
        if pace.paused == Some(turn) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = out.filled().len();
        if pace.is_wide {
            ready!(Pin::new(&mut self.inner).poll_read(cx, out))?;
        } else {
            let mut few = [0; FEW];
            let room = FEW.min(out.remaining());
            let mut part = ReadBuf::new(&mut few[..room]);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
            out.put_slice(part.filled());
        }
        let got = out.filled()[before..].len();
        let (known, whole) = (pace.frames.requests(), pace.frames.whole());
        pace.frames.feed(&out.filled()[before..]);
        let brought = pace.frames.requests() > known;
        pace.paused = (brought && got >= FEW).then_some(turn);
        pace.is_wide = !brought && got >= FEW;
        // An answer acknowledges what it answers. Without one a client may hold back its next request: a window that was
        // opened wider is in a packet of its own.
        if got > 0 && (pace.frames.awaits_more() || pace.frames.whole() == whole) {
            self.inner.acknowledge();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more of what is held: a head in pieces, or bytes behind an upgrade request. `true`: the stream ended.
    fn read_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut scratch = [0u8; 4096];
        let mut buffer = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(true));
        }
        self.held.extend_from_slice(buffer.filled());
        if let Mode::Judged(framing) = &mut self.mode {
            self.vetted = framing.feed(&self.held);
        }
        self.note();
        Poll::Ready(Ok(false))
    }

    /// Reads and forgets, so that closing does not reset a connection whose client still sends and has not read our
    /// answer. The clock bounds its time.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0u8; 4096];
        while self.lingered < MAX_LINGER {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.lingered += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }

    /// May the client still be sending what nobody will read?
    fn should_linger(&self) -> bool {
        match &self.mode {
            Mode::Judged(framing) => !framing.is_at_head() || !self.held.is_empty(),
            Mode::Refused => true,
            Mode::Http2(_) | Mode::Raw => false,
        }
    }
}

impl<T: AsyncRead + Acknowledge + Unpin> AsyncRead for GuardedIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.vetted > 0 {
                this.hand_on(out);
                return Poll::Ready(Ok(()));
            }
            this.decide(cx);
            this.refuse_late_head();
            if this.vetted > 0 {
                continue;
            }
            match &this.mode {
                // Nothing more will come; the end of the stream would cancel the answer to the refused request.
                Mode::Refused => return Poll::Pending,
                Mode::Judged(framing) if framing.is_broken() => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the chunked body is malformed",
                    )));
                }
                Mode::Judged(framing) if framing.is_undecided() && this.held.len() >= MAX_UNDECIDED => {
                    return Poll::Pending;
                }
                Mode::Http2(_) if this.held.is_empty() => return this.read_http2(cx, out),
                Mode::Judged(_) | Mode::Http2(_) | Mode::Raw => {}
            }
            if this.held.is_empty() {
                if ready!(this.read_through(cx, out))? {
                    return Poll::Ready(Ok(()));
                }
            } else if ready!(this.read_more(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncWrite + AsyncRead + Acknowledge + Unpin> GuardedIo<T> {
    fn note_write(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Ready(Ok(count)) => {
                self.link.written.fetch_add(*count as u64, Relaxed);
                self.link.write_blocked.store(false, Relaxed);
            }
            Poll::Pending => self.link.write_blocked.store(true, Relaxed),
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Acknowledge + Unpin> AsyncWrite for GuardedIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, data);
        self.note_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, data);
        self.note_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.link.closing.store(true, Relaxed);
        if !this.shut {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.shut = true;
        }
        if this.should_linger() {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
