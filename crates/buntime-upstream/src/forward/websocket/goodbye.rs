//! Close frames of our own: when the gateway, not one of the two ends, ends a conversation.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use bytes::BytesMut;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::frames::{Head, MAX_CONTROL, Opcode};

/// How long a close may take to be sent, and to be answered.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Why a conversation is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) code: u16,
    pub(super) text: &'static str,
}

impl Reason {
    pub(super) const STOPPING: Self = Self { code: 1001, text: "the gateway is stopping" };
    pub(super) const IDLE: Self = Self { code: 1001, text: "nothing was said for too long" };
    pub(super) const GONE: Self = Self { code: 1001, text: "the other end is gone" };
    pub(super) const NOT_TEXT: Self = Self { code: 1007, text: "text that is not UTF-8" };
    pub(super) const REFUSED: Self = Self { code: 1008, text: "refused" };
    pub(super) const TOO_BIG: Self = Self { code: 1009, text: "the message is too big" };

    pub(super) const fn protocol(text: &'static str) -> Self {
        Self { code: 1002, text }
    }

    /// The close frame that says so; masked for an upstream, whose client we are.
    pub(super) fn frame(self, masked: bool) -> BytesMut {
        let mut payload = self.code.to_be_bytes().to_vec();
        payload.extend_from_slice(self.text.as_bytes());
        payload.truncate(MAX_CONTROL as usize);
        let mask = masked.then(random_mask);
        let mut out = BytesMut::new();
        Head { is_last: true, opcode: Opcode::Close, mask, length: payload.len() as u64 }.write(&payload, &mut out);
        out
    }
}

/// Not to be foretold by who chose the payload, which is all that a mask is for.
fn random_mask() -> [u8; 4] {
    let [a, b, c, d, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    [a, b, c, d]
}

/// Sends a close and ends that half of the connection. What cannot be sent in time is not.
pub(super) async fn say<W: AsyncWrite + Unpin>(writer: &mut W, reason: Reason, masked: bool) {
    let saying = async {
        writer.write_all(&reason.frame(masked)).await?;
        writer.shutdown().await
    };
    // The other end may be gone: then there is nobody to tell.
    let _ = tokio::time::timeout(PATIENCE, saying).await;
}
