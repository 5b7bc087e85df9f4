//! Bodies that are looked at on their way through.
//!
//! Invariant: whatever was read of a body is handed on, followed by what was not.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http_body_util::BodyExt;

/// Bytes of a body that are read at most. A longer one is handed on without being understood.
pub(super) const MOST_READ: usize = 16 << 20;
/// How long the next part of a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A body that was read, as far as it goes into memory.
pub(super) enum Read {
    /// All of it.
    Whole(Bytes),
    /// The beginning, and the rest as it comes.
    Long(Bytes, Body),
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It broke off.
    Broken(axum::Error),
    /// Its next part did not come in time.
    Late,
}

impl Read {
    pub(super) async fn of(mut body: Body) -> Result<Self, BodyError> {
        let mut read: Vec<u8> = Vec::new();
        let mut only: Option<Bytes> = None;
        while read.len() <= MOST_READ {
            let frame = tokio::time::timeout(PATIENCE, body.frame());
            match frame.await.map_err(|_| BodyError::Late)? {
                // Mostly there is one frame, which need not be copied.
                None => return Ok(Self::Whole(only.unwrap_or_else(|| read.into()))),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if read.is_empty() && only.is_none() {
                        only = Some(data);
                        continue;
                    }
                    if let Some(first) = only.take() {
                        read.extend_from_slice(&first);
                    }
                    read.extend_from_slice(&data);
                }
                Some(Err(error)) => return Err(BodyError::Broken(error)),
            }
        }
        Ok(Self::Long(read.into(), body))
    }

    /// What was read, if it is everything.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Long(..) => None,
        }
    }

    pub(super) fn into_body(self) -> Body {
        match self {
            Self::Whole(bytes) => bytes.into(),
            Self::Long(begin, rest) => {
                let begin = stream::once(async { Ok(begin) });
                Body::from_stream(begin.chain(rest.into_data_stream()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_parts(parts: Vec<Vec<u8>>) -> Body {
        Body::from_stream(stream::iter(parts.into_iter().map(Ok::<_, axum::Error>)))
    }

    async fn bytes(body: Body) -> Vec<u8> {
        axum::body::to_bytes(body, usize::MAX).await.unwrap().into()
    }

    #[tokio::test]
    async fn what_was_read_is_handed_on() {
        for parts in [
            vec![],
            vec![b"one".to_vec()],
            vec![b"one ".to_vec(), b"two".to_vec()],
        ] {
            let read = Read::of(in_parts(parts.clone())).await.unwrap();
            assert_eq!(read.whole().unwrap(), parts.concat());
            assert_eq!(bytes(read.into_body()).await, parts.concat());
        }
    }

    #[tokio::test]
    async fn a_long_body_is_handed_on_and_not_held() {
        let parts: Vec<Vec<u8>> = (0..20).map(|n| vec![n; 1 << 20]).collect();
        let read = Read::of(in_parts(parts.clone())).await.unwrap();
        assert!(read.whole().is_none());
        assert!(matches!(&read, Read::Long(begin, _) if begin.len() < MOST_READ + (2 << 20)));
        assert_eq!(bytes(read.into_body()).await, parts.concat());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_is_not_waited_for() {
        let never =
            stream::once(async { Ok::<_, axum::Error>(Bytes::from_static(b"a")) }).chain(stream::pending());
        assert!(matches!(
            Read::of(Body::from_stream(never)).await,
            Err(BodyError::Late)
        ));
    }
}
