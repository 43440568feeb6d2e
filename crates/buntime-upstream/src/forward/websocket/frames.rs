//! Frames as RFC 6455 lays them out: their heads, and where in a stream of them one ends.

use bytes::{BufMut, BytesMut};

/// A close, a ping and a pong carry at most this much.
pub(super) const MAX_CONTROL: u64 = 125;
/// The longest head.
const MAX_HEAD: usize = 14;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    /// May it stand between the pieces of a message?
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The last of its message?
    pub(super) is_last: bool,
    pub(super) opcode: Opcode,
    /// What the payload is masked with.
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub(super) length: u64,
}

/// What is no frame, in words for a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAFrame(pub(super) &'static str);

impl Head {
    /// The head at the beginning of `bytes`, and its size. `None`: more bytes are needed.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, NotAFrame> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(NotAFrame("reserved bits are set"));
        }
        let opcode = Opcode::of(first & 0x0f).ok_or(NotAFrame("unknown opcode"))?;
        let (length, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk::<2>() {
                Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        let (mask, rest) = match (second & 0x80 != 0, rest.split_first_chunk::<4>()) {
            (false, _) => (None, rest),
            (true, Some((mask, rest))) => (Some(*mask), rest),
            (true, None) => return Ok(None),
        };
        if length > i64::MAX as u64 {
            return Err(NotAFrame("impossible length"));
        }
        let head = Self { is_last: first & 0x80 != 0, opcode, mask, length };
        if opcode.is_control() && (!head.is_last || length > MAX_CONTROL) {
            return Err(NotAFrame("control frame too long or in pieces"));
        }
        Ok(Some((head, bytes.len() - rest.len())))
    }

    /// Appends the head, and the payload behind it, masked as the head says.
    pub(super) fn write(&self, payload: &[u8], out: &mut BytesMut) {
        out.reserve(MAX_HEAD + payload.len());
        out.put_u8(if self.is_last { 0x80 } else { 0 } | self.opcode.bits());
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        match payload.len() {
            short @ 0..126 => out.put_u8(masked | short as u8),
            middle @ 126..=0xffff => {
                out.put_u8(masked | 126);
                out.put_u16(middle as u16);
            }
            long => {
                out.put_u8(masked | 127);
                out.put_u64(long as u64);
            }
        }
        if let Some(mask) = self.mask {
            out.put_slice(&mask);
        }
        let begun = out.len();
        out.put_slice(payload);
        if let Some(mask) = self.mask {
            apply_mask(&mut out[begun..], mask);
        }
    }
}

/// Masks, or takes the mask off.
pub(super) fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let mut words = payload.chunks_exact_mut(8);
    let [a, b, c, d] = mask;
    for word in &mut words {
        for (byte, key) in word.iter_mut().zip([a, b, c, d, a, b, c, d]) {
            *byte ^= key;
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

/// Watches bytes pass, and knows whether the last frame is whole.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    head: [u8; MAX_HEAD],
    have: usize,
    /// Bytes of payload still to come.
    left: u64,
    is_closed: bool,
    /// What passed was not frames, or has extensions' bits in it that change nothing here.
    is_lost: bool,
}

impl Boundary {
    /// These bytes have passed.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_lost {
            if self.left > 0 {
                let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= taken as u64;
                bytes = &bytes[taken..];
                continue;
            }
            let Some(place) = self.head.get_mut(self.have) else {
                self.is_lost = true;
                return;
            };
            // Extensions may set reserved bits; where a frame ends is the same.
            *place = if self.have == 0 { bytes[0] & 0x8f } else { bytes[0] };
            self.have += 1;
            bytes = &bytes[1..];
            match Head::read(&self.head[..self.have]) {
                Ok(None) => {}
                Ok(Some((head, _))) => {
                    self.have = 0;
                    self.left = head.length;
                    self.is_closed |= head.opcode == Opcode::Close;
                }
                Err(_) => self.is_lost = true,
            }
        }
    }

    /// May a frame be put here?
    pub(super) fn is_between_frames(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.is_closed && !self.is_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn heads_are_judged() {
        assert_eq!(Head::read(&[0x81]), Ok(None));
        assert_eq!(Head::read(&[0x81, 0xfe, 1]), Ok(None));
        let head = Head { is_last: true, opcode: Opcode::Text, mask: None, length: 5 };
        assert_eq!(Head::read(&[0x81, 5, b'h']), Ok(Some((head, 2))));
        assert!(Head::read(&[0xc1, 5]).is_err(), "a reserved bit");
        assert!(Head::read(&[0x83, 5]).is_err(), "an unknown opcode");
        assert!(Head::read(&[0x09, 5]).is_err(), "a ping in pieces");
        assert!(Head::read(&[0x89, 126, 0, 126]).is_err(), "a long ping");
        assert!(Head::read(&[0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]).is_err(), "an impossible length");
    }

    fn any_head() -> impl Strategy<Value = (bool, Opcode, Option<[u8; 4]>, Vec<u8>)> {
        let opcode = proptest::sample::select(vec![
            Opcode::Continuation,
            Opcode::Text,
            Opcode::Binary,
            Opcode::Ping,
            Opcode::Pong,
        ]);
        (any::<bool>(), opcode, any::<Option<[u8; 4]>>(), 0usize..70_000).prop_map(|(last, opcode, mask, length)| {
            let length = if opcode.is_control() { length % 126 } else { length };
            (last || opcode.is_control(), opcode, mask, vec![7; length])
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn frames_are_read_back_and_their_ends_found(
            frames in proptest::collection::vec(any_head(), 1..4),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut wire = BytesMut::new();
            let mut ends = vec![0];
            for (is_last, opcode, mask, payload) in &frames {
                let head = Head { is_last: *is_last, opcode: *opcode, mask: *mask, length: payload.len() as u64 };
                let begun = wire.len();
                head.write(payload, &mut wire);
                let (read, size) = Head::read(&wire[begun..]).unwrap().unwrap();
                prop_assert_eq!(read, head);
                let mut body = wire[begun + size..].to_vec();
                if let Some(mask) = mask {
                    apply_mask(&mut body, *mask);
                }
                prop_assert_eq!(&body, payload);
                ends.push(wire.len());
            }
            let cut = cut.index(wire.len() + 1);
            let mut boundary = Boundary::default();
            boundary.pass(&wire[..cut / 2]);
            boundary.pass(&wire[cut / 2..cut]);
            prop_assert_eq!(boundary.is_between_frames(), ends.contains(&cut));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Head::read(&bytes);
            Boundary::default().pass(&bytes);
        }
    }
}
