//! The relay when plugins look at messages: frames are put together to messages, shown, and sent on, each as one
//! frame. Pings, pongs and closes pass as they are.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use buntime_core::{Direction, Ended, Error, ErrorKind, Http, Tail, WsMessage};
use buntime_http::upgrade::quiet_for;
use bytes::{Bytes, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    sync::Mutex,
};
use tokio_util::sync::CancellationToken;

use super::{
    frames::{Head, NotAFrame, Opcode, apply_mask},
    goodbye::{self, PATIENCE, Reason},
};

/// Room made at once for a payload that is only announced.
const STEP: usize = 64 << 10;

/// What a relay heeds.
pub(super) struct Bounds {
    pub(super) idle: Option<Duration>,
    /// Bytes of a message.
    pub(super) limit: usize,
    pub(super) stopping: CancellationToken,
}

type Reader = ReadHalf<TokioIo<Upgraded>>;
type Writer = WriteHalf<TokioIo<Upgraded>>;

/// How one direction ended.
enum End {
    /// A close was passed on.
    Closed,
    /// Its end went away without one, or broke.
    Gone(Option<io::Error>),
    /// It said what is not allowed.
    Wrong(Reason),
    /// A plugin refused a message.
    Refused(Error),
}

impl From<NotAFrame> for End {
    fn from(NotAFrame(text): NotAFrame) -> Self {
        Self::Wrong(Reason::protocol(text))
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Gone(Some(error))
    }
}

pub(super) async fn relay(client: Upgraded, upstream: Upgraded, tail: Tail<Http>, bounds: Bounds) {
    let (client_reader, client_writer) = split(TokioIo::new(client));
    let (upstream_reader, upstream_writer) = split(TokioIo::new(upstream));
    let talk = Talk {
        tail: Mutex::new(tail),
        client: Mutex::new(client_writer),
        upstream: Mutex::new(upstream_writer),
        from_client: AtomicU64::new(0),
        from_upstream: AtomicU64::new(0),
        limit: bounds.limit,
    };
    let outcome = talk.run(client_reader, upstream_reader, &bounds).await;
    let mut tail = talk.tail.into_inner();
    tail.received(talk.from_client.into_inner());
    tail.sent(talk.from_upstream.into_inner());
    match outcome {
        Outcome::Ended(ended) => tail.finish(ended),
        Outcome::Broke(code) => tail.broke(code),
    }
}

enum Outcome {
    Ended(Ended),
    Broke(&'static str),
}

/// Both directions of one conversation.
struct Talk {
    tail: Mutex<Tail<Http>>,
    client: Mutex<Writer>,
    upstream: Mutex<Writer>,
    from_client: AtomicU64,
    from_upstream: AtomicU64,
    limit: usize,
}

impl Talk {
    async fn run(&self, client: Reader, upstream: Reader, bounds: &Bounds) -> Outcome {
        let mut up = std::pin::pin!(self.pump(Direction::ToUpstream, client));
        let mut down = std::pin::pin!(self.pump(Direction::ToClient, upstream));
        let moved = || self.from_client.load(Relaxed).wrapping_add(self.from_upstream.load(Relaxed));
        let (end, direction) = tokio::select! {
            biased;
            end = up.as_mut() => (end, Direction::ToUpstream),
            end = down.as_mut() => (end, Direction::ToClient),
            () = bounds.stopping.cancelled() => {
                self.say_to_both(Reason::STOPPING, Reason::STOPPING).await;
                return Outcome::Broke(ErrorKind::ShuttingDown.code());
            }
            () = quiet_for(bounds.idle, moved) => {
                self.say_to_both(Reason::IDLE, Reason::IDLE).await;
                return Outcome::Ended(Ended::Whole);
            }
        };
        let from_client = direction == Direction::ToUpstream;
        let to_both = |to_sender, to_other| async move {
            if from_client {
                self.say_to_both(to_sender, to_other).await;
            } else {
                self.say_to_both(to_other, to_sender).await;
            }
        };
        match end {
            // The other end answers it with a close of its own.
            End::Closed => {
                let answer = async { if from_client { down.await } else { up.await } };
                let _ = tokio::time::timeout(PATIENCE, answer).await;
                self.end_both().await;
                Outcome::Ended(Ended::Whole)
            }
            End::Gone(error) => {
                tracing::debug!(?error, ?direction, "one end of a WebSocket went away");
                to_both(Reason::GONE, Reason::GONE).await;
                Outcome::Ended(if from_client { Ended::ClientGone } else { Ended::Broken })
            }
            End::Wrong(reason) => {
                to_both(reason, Reason::GONE).await;
                let code = if from_client { ErrorKind::Malformed } else { ErrorKind::UpstreamProtocol }.code();
                Outcome::Broke(if reason == Reason::TOO_BIG { ErrorKind::PayloadTooLarge.code() } else { code })
            }
            End::Refused(error) => {
                tracing::debug!("a message was refused: {}", error.report());
                to_both(Reason::REFUSED, Reason::REFUSED).await;
                Outcome::Broke(error.code())
            }
        }
    }

    async fn say_to_both(&self, to_client: Reason, to_upstream: Reason) {
        let client = async {
            if let Ok(mut writer) = tokio::time::timeout(PATIENCE, self.client.lock()).await {
                goodbye::say(&mut *writer, to_client, false).await;
            }
        };
        let upstream = async {
            if let Ok(mut writer) = tokio::time::timeout(PATIENCE, self.upstream.lock()).await {
                goodbye::say(&mut *writer, to_upstream, true).await;
            }
        };
        tokio::join!(client, upstream);
    }

    /// Ends both connections in order, as far as they are not in the middle of something.
    async fn end_both(&self) {
        let ending = async {
            let (mut client, mut upstream) = tokio::join!(self.client.lock(), self.upstream.lock());
            let _ = tokio::join!(client.shutdown(), upstream.shutdown());
        };
        let _ = tokio::time::timeout(PATIENCE, ending).await;
    }

    async fn pump(&self, direction: Direction, reader: Reader) -> End {
        let counter = if direction == Direction::ToUpstream { &self.from_client } else { &self.from_upstream };
        let mut frames = Frames { reader, buffer: BytesMut::new(), counter, limit: self.limit };
        match self.pass_all(direction, &mut frames).await {
            Ok(()) => End::Closed,
            Err(end) => end,
        }
    }

    /// Passes frames on until a close has been passed on.
    async fn pass_all(&self, direction: Direction, frames: &mut Frames<'_>) -> Result<(), End> {
        let to_upstream = direction == Direction::ToUpstream;
        let writer = if to_upstream { &self.upstream } else { &self.client };
        let mut message: Option<Message> = None;
        let mut out = BytesMut::new();
        loop {
            let (head, payload) = frames.next(message.as_ref().map_or(0, |m| m.payload.len())).await?;
            if head.mask.is_some() != to_upstream {
                return Err(End::Wrong(Reason::protocol("wrong masking")));
            }
            if head.opcode.is_control() {
                if head.opcode == Opcode::Close && payload.len() == 1 {
                    return Err(End::Wrong(Reason::protocol("half a close code")));
                }
                head.write(&payload, &mut out);
            } else {
                let whole =
                    message.take().map_or_else(|| Message::begin(head, &payload), |m| m.go_on(head, &payload))?;
                if !head.is_last {
                    message = Some(whole);
                    continue;
                }
                let mask = whole.mask;
                let shown = self.tail.lock().await.message(direction, whole.read()?).await.map_err(End::Refused)?;
                let Some(passed) = shown else { continue };
                let (opcode, payload) = match &passed {
                    WsMessage::Text(text) => (Opcode::Text, text.as_bytes()),
                    WsMessage::Binary(bytes) => (Opcode::Binary, &bytes[..]),
                };
                Head { is_last: true, opcode, mask, length: payload.len() as u64 }.write(payload, &mut out);
            }
            let mut writer = writer.lock().await;
            writer.write_all_buf(&mut out).await?;
            writer.flush().await?;
            if head.opcode == Opcode::Close {
                return Ok(());
            }
        }
    }
}

/// A message whose pieces are arriving.
struct Message {
    opcode: Opcode,
    /// Of its first piece. The sender chose it not to be foretold, so it serves for the whole.
    mask: Option<[u8; 4]>,
    payload: BytesMut,
}

impl Message {
    fn begin(head: Head, payload: &[u8]) -> Result<Self, End> {
        if head.opcode == Opcode::Continuation {
            return Err(End::Wrong(Reason::protocol("nothing to continue")));
        }
        Ok(Self { opcode: head.opcode, mask: head.mask, payload: payload.into() })
    }

    fn go_on(mut self, head: Head, payload: &[u8]) -> Result<Self, End> {
        if head.opcode != Opcode::Continuation {
            return Err(End::Wrong(Reason::protocol("a message within another")));
        }
        self.payload.extend_from_slice(payload);
        Ok(self)
    }

    fn read(self) -> Result<WsMessage, End> {
        if self.opcode == Opcode::Binary {
            return Ok(WsMessage::Binary(self.payload.freeze()));
        }
        let text = String::from_utf8(self.payload.into()).map_err(|_| End::Wrong(Reason::NOT_TEXT))?;
        Ok(WsMessage::Text(text))
    }
}

/// The frames that one end sends.
struct Frames<'a> {
    reader: Reader,
    buffer: BytesMut,
    counter: &'a AtomicU64,
    limit: usize,
}

impl Frames<'_> {
    /// The next frame, its mask taken off. `before`: bytes of its message that have come already.
    async fn next(&mut self, before: usize) -> Result<(Head, Bytes), End> {
        let (head, size) = loop {
            if let Some(found) = Head::read(&self.buffer)? {
                break found;
            }
            self.more(1).await?;
        };
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        if !head.opcode.is_control() && before.saturating_add(length) > self.limit {
            return Err(End::Wrong(Reason::TOO_BIG));
        }
        let _ = self.buffer.split_to(size);
        while self.buffer.len() < length {
            self.more(length - self.buffer.len()).await?;
        }
        let mut payload = self.buffer.split_to(length);
        if let Some(mask) = head.mask {
            apply_mask(&mut payload, mask);
        }
        Ok((head, payload.freeze()))
    }

    async fn more(&mut self, wanted: usize) -> Result<(), End> {
        self.buffer.reserve(wanted.clamp(4 << 10, STEP));
        match self.reader.read_buf(&mut self.buffer).await? {
            0 => Err(End::Gone(None)),
            read => {
                self.counter.fetch_add(read as u64, Relaxed);
                Ok(())
            }
        }
    }
}
