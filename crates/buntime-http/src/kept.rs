//! A body that is read ahead of who gets it: kept as it came, and given on byte for byte.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};

/// What was read of a body, and what is still to come.
#[derive(Debug)]
pub struct Kept {
    frames: VecDeque<Frame<Bytes>>,
    read: u64,
    rest: Body,
    ended: bool,
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It is here as a whole.
    Whole,
    /// It is longer than the limit.
    Over,
}

impl Kept {
    /// Nothing is read yet.
    pub fn new(body: Body) -> Self {
        Self { frames: VecDeque::new(), read: 0, ended: body.is_end_stream(), rest: body }
    }

    /// Reads until it ends or passes the limit. May be dropped: nothing is lost then.
    ///
    /// # Errors
    /// If it breaks; what came before is lost then.
    pub async fn fill(&mut self, limit: u64) -> Result<Filled, axum::Error> {
        while !self.ended {
            if self.read.saturating_add(self.rest.size_hint().lower()) > limit {
                return Ok(Filled::Over);
            }
            let rest = &mut self.rest;
            match poll_fn(|task| Pin::new(&mut *rest).poll_frame(task)).await {
                None => self.ended = true,
                Some(frame) => {
                    let frame = frame?;
                    self.read = self.read.saturating_add(frame.data_ref().map_or(0, |data| data.len() as u64));
                    self.frames.push_back(frame);
                }
            }
        }
        Ok(if self.read > limit { Filled::Over } else { Filled::Whole })
    }

    /// All of its bytes in one piece; one that came in one piece is not copied.
    pub fn bytes(&mut self) -> Bytes {
        let mut pieces = self.frames.iter().filter_map(Frame::data_ref);
        let one = match (pieces.next(), pieces.next()) {
            (None, _) => return Bytes::new(),
            (Some(one), None) => one.clone(),
            (Some(_), Some(_)) => {
                let mut all = BytesMut::with_capacity(usize::try_from(self.read).unwrap_or_default());
                self.frames.iter().filter_map(Frame::data_ref).for_each(|piece| all.extend_from_slice(piece));
                all.freeze()
            }
        };
        self.frames.retain(Frame::is_trailers);
        self.frames.push_front(Frame::data(one.clone()));
        one
    }

    /// Puts other bytes in the place of what was read; trailers stay.
    pub fn replace(&mut self, bytes: Bytes) {
        self.frames.retain(Frame::is_trailers);
        self.read = bytes.len() as u64;
        if !bytes.is_empty() {
            self.frames.push_front(Frame::data(bytes));
        }
    }

    /// The body, from its beginning.
    pub fn into_body(self) -> Body {
        Body::new(self)
    }
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(frame) = self.frames.pop_front() {
            self.read = self.read.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.rest).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && (self.ended || self.rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.ended {
            return SizeHint::with_exact(self.read);
        }
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(self.read.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(self.read.saturating_add(upper));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http_body_util::{BodyExt, StreamBody};
    use proptest::prelude::*;

    fn pieces(all: &[Vec<u8>], trailers: bool) -> Body {
        let mut frames: Vec<Result<Frame<Bytes>, axum::Error>> =
            all.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
        if trailers {
            let mut map = HeaderMap::new();
            map.insert("x-sum", http::HeaderValue::from_static("1"));
            frames.push(Ok(Frame::trailers(map)));
        }
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn every_byte_is_given_on(
            all in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9), limit in 0_u64..60, trailers: bool,
        ) {
            let whole: Vec<u8> = all.concat();
            run(async {
                let mut kept = Kept::new(pieces(&all, trailers));
                let filled = kept.fill(limit).await.unwrap();
                prop_assert_eq!(filled == Filled::Whole, whole.len() as u64 <= limit);
                if filled == Filled::Whole {
                    prop_assert_eq!(&kept.bytes()[..], &whole[..]);
                    prop_assert_eq!(kept.size_hint().exact(), Some(whole.len() as u64));
                }
                let given = kept.into_body().collect().await.unwrap();
                prop_assert_eq!(given.trailers().is_some(), trailers);
                prop_assert_eq!(&given.to_bytes()[..], &whole[..]);
                Ok(())
            })?;
        }
    }
}
