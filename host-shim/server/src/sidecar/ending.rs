//! A body with something to be done when it is over.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// See the [module](self). What is to be done is done once: at the end, or when nobody reads any more.
pub(super) struct Ending<F: FnOnce()> {
    body: Body,
    at_end: Option<F>,
}

impl<F: FnOnce()> Ending<F> {
    pub(super) fn new(body: Body, at_end: F) -> Self {
        Self {
            body,
            at_end: Some(at_end),
        }
    }

    fn end(&mut self) {
        if let Some(at_end) = self.at_end.take() {
            at_end();
        }
    }
}

impl<F: FnOnce() + Unpin> HttpBody for Ending<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<F: FnOnce()> Drop for Ending<F> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_is_to_be_done_is_done_once_at_the_end_or_when_nobody_reads() {
        let ends = Arc::new(AtomicUsize::new(0));
        let ending = |text: &'static str| {
            let ends = Arc::clone(&ends);
            Ending::new(Body::from(text), move || {
                ends.fetch_add(1, Ordering::Relaxed);
            })
        };
        let read = axum::body::to_bytes(Body::new(ending("text")), 10).await.unwrap();
        assert_eq!((&read[..], ends.load(Ordering::Relaxed)), (&b"text"[..], 1));
        drop(ending("unread"));
        assert_eq!(ends.load(Ordering::Relaxed), 2);
    }
}
