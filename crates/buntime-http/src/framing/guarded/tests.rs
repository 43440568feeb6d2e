//! Reading HTTP/2 at its pace.

use std::{cell::Cell, collections::VecDeque, task::Waker};

use super::{super::frames::frame, *};

const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

/// What a client sends, packet by packet.
#[derive(Default)]
struct Packets {
    sent: VecDeque<Vec<u8>>,
    acknowledged: Cell<usize>,
}

impl AsyncRead for Packets {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(mut packet) = self.sent.pop_front() else { return Poll::Pending };
        let rest = packet.split_off(packet.len().min(out.remaining()));
        out.put_slice(&packet);
        if !rest.is_empty() {
            self.sent.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl Acknowledge for Packets {
    fn acknowledge(&self) {
        self.acknowledged.set(self.acknowledged.get() + 1);
    }
}

fn opened() -> GuardedIo<Packets> {
    GuardedIo::http2(Packets::default(), BytesMut::zeroed(24), Arc::default())
}

/// All that is read in one turn.
fn turn(io: &mut GuardedIo<Packets>) -> usize {
    io.link.turn();
    let mut read = 0;
    loop {
        let mut bytes = [0; 16 << 10];
        let mut out = ReadBuf::new(&mut bytes);
        match Pin::new(&mut *io).poll_read(&mut Context::from_waker(Waker::noop()), &mut out) {
            Poll::Ready(done) => done.unwrap(),
            Poll::Pending => return read,
        }
        read += out.filled().len();
    }
}

fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0; 91])
}

#[test]
fn requests_are_read_a_few_at_a_time_and_bodies_as_they_come() {
    let mut io = opened();
    io.inner.sent.push_back((0..20).flat_map(|n| request(2 * n + 1)).collect());
    assert_eq!(turn(&mut io), 24 + FEW);
    assert_eq!((turn(&mut io), turn(&mut io)), (FEW, FEW));
    assert_eq!((turn(&mut io), turn(&mut io)), (2000 - 3 * FEW, 0));
    io.inner.sent.push_back(frame(HEADERS, END_HEADERS, 41, &[]));
    io.inner.sent.push_back(frame(0, 0, 41, &[0; 16_000]));
    assert_eq!(turn(&mut io), 9 + 9 + 16_000);
}

#[test]
fn what_no_answer_will_acknowledge_is_acknowledged() {
    let acknowledged = |packets: &[Vec<u8>]| {
        let mut io = opened();
        io.inner.sent.extend(packets.iter().cloned());
        turn(&mut io);
        io.inner.acknowledged.get()
    };
    assert_eq!(acknowledged(&[request(1), request(3)]), 0);
    let window = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]);
    assert_eq!(acknowledged(&[window.clone(), request(1)]), 1);
    assert_eq!(acknowledged(&[[window, request(1)].concat()]), 0);
    assert_eq!(acknowledged(&[frame(HEADERS, END_HEADERS, 1, &[0; 50]), frame(0, END_STREAM, 1, b"body")]), 1);
    assert_eq!(acknowledged(&[request(1)[..40].to_vec(), request(1)[40..].to_vec()]), 1);
}
