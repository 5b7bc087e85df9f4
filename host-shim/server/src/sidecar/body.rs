//! Bodies that are looked at on their way through.
//!
//! Invariants:
//! - Whatever was read of a body is handed on, followed by what was not.
//! - What is held in memory, of all bodies together, is bounded by a budget; short bodies need none of it, so that nobody who is slow
//!   with a long one keeps others from writing.
//! - A body is waited for so long and no longer, part by part and as a whole.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a body that are read at most. A longer one is handed on without being understood.
pub(super) const MOST_READ: usize = 16 << 20;
/// Bytes that need nothing of the budget.
const FREE: usize = 64 << 10;
/// Bytes of a unit of the budget.
const UNIT: usize = 1 << 20;
/// Units of the budget.
const UNITS: usize = 256;
/// How long the next part of a body may take to come.
pub(super) const PART: Duration = Duration::from_secs(30);
/// How long a body may take to come.
const WHOLE: Duration = Duration::from_secs(120);
/// How long is waited for a unit of the budget.
const TURN: Duration = Duration::from_secs(5);

/// What all bodies together may hold.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UNITS)))
    }
}

/// A part of the budget, given back when dropped.
#[derive(Debug, Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

/// A body that was read, as far as it goes into memory.
#[derive(Debug)]
pub(super) struct Read {
    begin: Bytes,
    /// What was not read.
    rest: Option<Body>,
    held: Held,
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It broke off.
    Broken(axum::Error),
    /// It did not come in time.
    Late,
    /// Others hold all the memory there is for bodies.
    Busy,
}

impl Read {
    pub(super) async fn of(body: Body, budget: &Budget) -> Result<Self, BodyError> {
        let reading = Self::read(body, budget);
        tokio::time::timeout(WHOLE, reading)
            .await
            .unwrap_or(Err(BodyError::Late))
    }

    async fn read(mut body: Body, budget: &Budget) -> Result<Self, BodyError> {
        let mut read: Vec<u8> = Vec::new();
        // Mostly there is one frame, which need not be copied.
        let mut only = Bytes::new();
        let mut held = Held::default();
        loop {
            let length = read.len().max(only.len());
            held.cover(length, budget).await?;
            if length > MOST_READ {
                let begin = if read.is_empty() { only } else { read.into() };
                return Ok(Self {
                    begin,
                    rest: Some(body),
                    held,
                });
            }
            let frame = tokio::time::timeout(PART, body.frame());
            match frame.await.map_err(|_| BodyError::Late)? {
                None => {
                    return Ok(Self {
                        begin: if read.is_empty() { only } else { read.into() },
                        rest: None,
                        held,
                    });
                }
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if length == 0 {
                        only = data;
                    } else {
                        if read.is_empty() {
                            read.extend_from_slice(&std::mem::take(&mut only));
                        }
                        read.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(BodyError::Broken(error)),
            }
        }
    }

    /// What was read, if it is everything.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        match self.rest {
            None => Some(&self.begin),
            Some(_) => None,
        }
    }

    /// The body as it was, and the part of the budget that it needs until it was handed on.
    pub(super) fn into_body(self) -> (Body, Held) {
        let body = match self.rest {
            None => self.begin.into(),
            Some(rest) => {
                let begin = self.begin;
                let begin = stream::once(async { Ok(begin) });
                Body::from_stream(begin.chain(rest.into_data_stream()))
            }
        };
        (body, self.held)
    }
}

impl Held {
    /// Takes as much of the budget as so many bytes need.
    async fn cover(&mut self, length: usize, budget: &Budget) -> Result<(), BodyError> {
        let needed = match length {
            ..=FREE => return Ok(()),
            length => length.div_ceil(UNIT),
        };
        let has = self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(needed.saturating_sub(has)).unwrap_or(u32::MAX);
        if more == 0 {
            return Ok(());
        }
        let turn = tokio::time::timeout(TURN, Arc::clone(&budget.0).acquire_many_owned(more));
        let Ok(Ok(permit)) = turn.await else {
            return Err(BodyError::Busy);
        };
        match &mut self.0 {
            Some(held) => held.merge(permit),
            None => self.0 = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_parts(parts: Vec<Vec<u8>>) -> Body {
        Body::from_stream(stream::iter(parts.into_iter().map(Ok::<_, axum::Error>)))
    }

    async fn bytes(read: Read) -> Vec<u8> {
        let (body, _held) = read.into_body();
        axum::body::to_bytes(body, usize::MAX).await.unwrap().into()
    }

    #[tokio::test]
    async fn what_was_read_is_handed_on() {
        let budget = Budget::default();
        for parts in [
            vec![],
            vec![b"one".to_vec()],
            vec![b"one ".to_vec(), b"two ".to_vec(), b"three".to_vec()],
        ] {
            let read = Read::of(in_parts(parts.clone()), &budget).await.unwrap();
            assert_eq!(read.whole().unwrap(), parts.concat());
            assert_eq!(bytes(read).await, parts.concat());
        }
    }

    #[tokio::test]
    async fn a_long_body_is_handed_on_and_not_held() {
        let budget = Budget::default();
        let parts: Vec<Vec<u8>> = (0..20).map(|n| vec![n; 1 << 20]).collect();
        let read = Read::of(in_parts(parts.clone()), &budget).await.unwrap();
        assert!(read.whole().is_none() && read.begin.len() < MOST_READ + (2 << 20));
        assert!(budget.0.available_permits() < UNITS - 15);
        assert_eq!(bytes(read).await, parts.concat());
        assert_eq!(budget.0.available_permits(), UNITS, "it is given back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_or_creeps_is_not_waited_for() {
        let part = || async { Ok::<_, axum::Error>(Bytes::from_static(b"a")) };
        let stops = stream::once(part()).chain(stream::pending());
        let creeps = stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(PART / 2).await;
            part().await
        });
        for body in [Body::from_stream(stops), Body::from_stream(creeps)] {
            let read = Read::of(body, &Budget::default()).await;
            assert!(matches!(read, Err(BodyError::Late)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_others_hold_the_memory_short_bodies_are_read_and_long_ones_refused() {
        let budget = Budget::default();
        let _others = Arc::clone(&budget.0).acquire_many_owned(256).await.unwrap();
        let short = Read::of(in_parts(vec![vec![1; FREE]]), &budget).await;
        assert!(short.is_ok());
        let long = Read::of(in_parts(vec![vec![1; FREE + 1]]), &budget).await;
        assert!(matches!(long, Err(BodyError::Busy)));
    }
}
