//! A response's body, kept as it passes. What broke, or was not read to its end, is never taken for whole.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};

/// How keeping it ended.
#[derive(Debug)]
pub(crate) enum Kept {
    /// All of it.
    Whole(Bytes),
    /// It is too long, or broke.
    Lost,
}

type Then = Box<dyn FnOnce(Kept) + Send>;

/// See the module.
pub(crate) struct Tee {
    inner: Body,
    kept: BytesMut,
    /// As long as it may get.
    most: usize,
    /// As long as it must get, if it says so.
    exactly: Option<u64>,
    /// Taken when it is known how it ended. Dropped without being called, who reads it has gone.
    then: Option<Then>,
}

impl Tee {
    /// Passes `body` on and tells `then` what it was.
    pub(crate) fn body(
        body: Body,
        most: usize,
        exactly: Option<u64>,
        then: impl FnOnce(Kept) + Send + 'static,
    ) -> Body {
        let expected = exactly.and_then(|length| usize::try_from(length).ok()).unwrap_or_default().min(most);
        let kept = BytesMut::with_capacity(expected);
        let mut tee = Self { inner: body, kept, most, exactly, then: Some(Box::new(then)) };
        if tee.inner.is_end_stream() {
            tee.end();
        }
        Body::new(tee)
    }

    fn tell(&mut self, kept: Kept) {
        if let Some(then) = self.then.take() {
            then(kept);
        }
    }

    fn end(&mut self) {
        let length = self.kept.len() as u64;
        if self.exactly.is_some_and(|exactly| exactly != length) {
            return self.tell(Kept::Lost);
        }
        // As long as it is: what was reserved for more would be kept too.
        let kept = std::mem::take(&mut self.kept);
        let whole = if kept.capacity() > kept.len() + kept.len() / 8 + 64 {
            Bytes::copy_from_slice(&kept)
        } else {
            kept.freeze()
        };
        self.tell(Kept::Whole(whole));
    }

    fn keep(&mut self, data: &Bytes) {
        if self.then.is_none() {
            return;
        }
        if self.kept.len() + data.len() > self.most {
            self.kept = BytesMut::new();
            return self.tell(Kept::Lost);
        }
        self.kept.extend_from_slice(data);
        // Who sends it may stop reading when it has as much as was said.
        if self.inner.is_end_stream() || self.exactly == Some(self.kept.len() as u64) {
            self.end();
        }
    }
}

impl HttpBody for Tee {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            None => self.end(),
            Some(Err(_)) => self.tell(Kept::Lost),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let data = data.clone();
                    self.keep(&data);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::sync::mpsc;

    async fn kept(
        pieces: Vec<Result<&'static str, std::io::Error>>,
        most: usize,
        exactly: Option<u64>,
        read: usize,
    ) -> Option<Kept> {
        let (sender, receiver) = mpsc::channel();
        let mut body = Tee::body(Body::from_stream(stream::iter(pieces)), most, exactly, move |kept| {
            sender.send(kept).unwrap();
        });
        for _ in 0..read {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            if frame.is_none_or(|frame| frame.is_err()) {
                break;
            }
        }
        drop(body);
        receiver.try_recv().ok()
    }

    #[tokio::test]
    async fn only_what_came_whole_is_whole() {
        let ok = || vec![Ok("ab"), Ok("cd")];
        assert!(matches!(kept(ok(), 9, None, 9).await, Some(Kept::Whole(whole)) if whole == "abcd"));
        assert!(matches!(kept(ok(), 9, Some(4), 2).await, Some(Kept::Whole(whole)) if whole == "abcd"));
        assert!(matches!(kept(ok(), 9, Some(5), 9).await, Some(Kept::Lost)), "too short");
        assert!(matches!(kept(ok(), 3, None, 9).await, Some(Kept::Lost)), "too long");
        let broken = || vec![Ok("ab"), Err(std::io::Error::other("broken"))];
        assert!(matches!(kept(broken(), 9, None, 9).await, Some(Kept::Lost)));
        assert!(kept(ok(), 9, None, 1).await.is_none(), "not read to its end");
        assert!(kept(ok(), 9, None, 2).await.is_none(), "nobody has seen its end");
    }
}
