//! A request body that can be sent again: what is read of it is kept, up to a limit.
//!
//! Nothing is read ahead: the body streams as it comes. Whoever sends it again gets what was kept and then the rest.
//! Once more than the limit has been read, or it broke, it cannot be sent again.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::body::Body;
use buntime_core::BoxError;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// What is kept of a body, and what is still to come of it.
#[derive(Clone)]
pub(crate) struct Replay(Arc<Mutex<Tape>>);

struct Tape {
    rest: Body,
    kept: Vec<Bytes>,
    len: usize,
    limit: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// It can no longer be sent again.
    lost: bool,
    /// Only the last reader reads on: an attempt that was given up may still be at it.
    reader: u64,
    /// How many of the kept pieces it has got.
    next: usize,
    /// It has got everything.
    done: bool,
}

impl Replay {
    /// Keeps what is read of the body, at most that many bytes.
    pub(crate) fn new(body: Body, limit: usize) -> Self {
        let tape = Tape {
            ended: body.is_end_stream(),
            rest: body,
            kept: Vec::new(),
            len: 0,
            limit,
            trailers: None,
            lost: false,
            reader: 0,
            next: 0,
            done: false,
        };
        Self(Arc::new(Mutex::new(tape)))
    }

    /// The body from its beginning. `None` when that is lost. Who read it before reads no more.
    pub(crate) fn body(&self) -> Option<Body> {
        let mut tape = lock(&self.0);
        if tape.lost {
            return None;
        }
        tape.reader += 1;
        (tape.next, tape.done) = (0, false);
        Some(Body::new(Reader { tape: self.0.clone(), number: tape.reader }))
    }

    /// Nobody will send it again: forgets what was kept.
    pub(crate) fn forget(&self) {
        let mut tape = lock(&self.0);
        // The next piece that is kept is one too many; a reader that has not got all of the kept ones still needs them.
        tape.limit = 0;
        if tape.next >= tape.kept.len() {
            tape.lose();
        }
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").finish_non_exhaustive()
    }
}

fn lock(tape: &Mutex<Tape>) -> MutexGuard<'_, Tape> {
    tape.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tape {
    fn keep(&mut self, piece: &Bytes) {
        self.len = self.len.saturating_add(piece.len());
        if self.lost || self.len > self.limit {
            self.lose();
        } else {
            self.kept.push(piece.clone());
            self.next = self.kept.len();
        }
    }

    fn lose(&mut self) {
        self.lost = true;
        self.kept = Vec::new();
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(piece) = self.kept.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        if self.done {
            return Poll::Ready(None);
        }
        if !self.ended {
            match ready!(Pin::new(&mut self.rest).poll_frame(cx)) {
                None => self.ended = true,
                Some(Err(error)) => {
                    self.lose();
                    return Poll::Ready(Some(Err(error.into())));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => {
                        self.keep(&piece);
                        return Poll::Ready(Some(Ok(Frame::data(piece))));
                    }
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.ended = true;
                    }
                },
            }
        }
        self.done = true;
        Poll::Ready(self.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

struct Reader {
    tape: Arc<Mutex<Tape>>,
    number: u64,
}

impl HttpBody for Reader {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut tape = lock(&self.tape);
        if tape.reader != self.number {
            return Poll::Ready(Some(Err("the request is being sent again".into())));
        }
        tape.read(cx)
    }

    fn is_end_stream(&self) -> bool {
        let tape = lock(&self.tape);
        let all = tape.reader == self.number && tape.next >= tape.kept.len();
        all && (tape.done || (tape.trailers.is_none() && (tape.ended || tape.rest.is_end_stream())))
    }

    fn size_hint(&self) -> SizeHint {
        let tape = lock(&self.tape);
        let kept: u64 = tape.kept.iter().skip(tape.next).map(|piece| piece.len() as u64).sum();
        let rest = if tape.ended { SizeHint::with_exact(0) } else { tape.rest.size_hint() };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(kept));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(kept));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    async fn whole(body: Body) -> Option<Bytes> {
        body.collect().await.ok().map(http_body_util::Collected::to_bytes)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(future)
    }

    fn pieces(list: &[Vec<u8>]) -> Body {
        struct Pieces(std::collections::VecDeque<Bytes>);
        impl HttpBody for Pieces {
            type Data = Bytes;
            type Error = BoxError;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
                Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
            }
        }
        Body::new(Pieces(list.iter().cloned().map(Bytes::from).collect()))
    }

    proptest! {
        #[test]
        fn sent_again_after_any_part_it_is_the_same(
            list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..8),
            reads in prop::collection::vec(0_usize..10, 0..4),
        ) {
            let all = list.concat();
            run(async {
                let replay = Replay::new(pieces(&list), 1000);
                for count in reads {
                    let mut body = replay.body().unwrap();
                    for _ in 0..count {
                        let _ = body.frame().await;
                    }
                }
                assert_eq!(whole(replay.body().unwrap()).await.unwrap(), all);
                let body = replay.body().unwrap();
                assert_eq!(body.size_hint().exact(), Some(all.len() as u64));
                replay.forget();
                assert_eq!(whole(body).await.unwrap(), all, "who reads it meanwhile gets all of it");
            });
        }
    }

    #[test]
    fn past_its_limit_it_streams_on_and_cannot_be_sent_again() {
        run(async {
            let replay = Replay::new(pieces(&[vec![1; 6], vec![2; 6], vec![3; 6]]), 10);
            let mut body = replay.body().unwrap();
            body.frame().await.unwrap().unwrap();
            assert!(replay.body().is_some());
            let mut body = replay.body().unwrap();
            for expected in [1, 2, 3] {
                assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap()[0], expected);
            }
            assert!(replay.body().is_none() && body.frame().await.is_none());
        });
    }

    #[test]
    fn an_attempt_that_was_given_up_reads_no_more_and_a_broken_body_is_lost() {
        run(async {
            let replay = Replay::new(Body::from("abc"), 10);
            let (old, new) = (replay.body().unwrap(), replay.body().unwrap());
            assert_eq!(whole(old).await, None);
            assert_eq!(whole(new).await.unwrap(), "abc");
            let failing = Body::new(Body::from("abc").map_err(|_| BoxError::from("never")).map_frame(|frame| frame));
            let limited = http_body_util::Limited::new(failing, 2);
            let broken = Replay::new(Body::new(limited), 10);
            assert_eq!(whole(broken.body().unwrap()).await, None);
            assert!(broken.body().is_none());
        });
    }
}
