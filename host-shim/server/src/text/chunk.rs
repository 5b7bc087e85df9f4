//! Splitting a text into overlapping chunks, at the places where Vectorizer does.
//!
//! Sizes are bytes of UTF-8; a character is never split. A chunk ends after the last whitespace or sentence
//! mark within its size, if there is one. The next starts `overlap` bytes before that end, moved on to the
//! next character; where that would not get further, at the end itself. So the last chunk of a text is
//! usually followed by one that repeats its tail: clients that know Vectorizer count on the number of chunks.
//! Chunks are trimmed, and left out where nothing remains.

/// Texts up to this many bytes are not split.
const WHOLE: usize = 2048;
const DEFAULT_SIZE: usize = 2048;
const DEFAULT_OVERLAP: usize = 256;

/// How a text is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunking {
    size: usize,
    overlap: usize,
}

/// Why a text cannot be split in the way asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Chunks of no bytes.
    #[error("must be at least 1")]
    EmptyChunks,
    /// Each chunk would repeat the whole of the one before.
    #[error("chunk_overlap {overlap} must be smaller than chunk_size {size}")]
    OverlapTooLarge {
        /// Bytes that neighbours share.
        overlap: usize,
        /// Bytes of a chunk.
        size: usize,
    },
}

impl Chunking {
    /// Chunks of at most `size` bytes that share `overlap`; `None`: 2048 and 256 (or none, where a chunk is
    /// not larger than that).
    ///
    /// # Errors
    /// [`ChunkError`] where the chunks could not make their way through a text.
    pub fn new(size: Option<usize>, overlap: Option<usize>) -> Result<Self, ChunkError> {
        let size = size.unwrap_or(DEFAULT_SIZE);
        let default_overlap = if size > DEFAULT_OVERLAP {
            DEFAULT_OVERLAP
        } else {
            0
        };
        let overlap = overlap.unwrap_or(default_overlap);
        if size == 0 {
            return Err(ChunkError::EmptyChunks);
        }
        if overlap >= size {
            return Err(ChunkError::OverlapTooLarge { overlap, size });
        }
        Ok(Self { size, overlap })
    }

    /// Whether a text is long enough to be split.
    #[must_use]
    pub fn applies_to(text: &str) -> bool {
        text.len() > WHOLE
    }

    /// The chunks of a text, in order.
    #[must_use]
    pub fn split<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut chunks = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let end = self.end_of_chunk(text, start);
            let chunk = text[start..end].trim();
            if !chunk.is_empty() {
                chunks.push(chunk);
            }
            let overlapping = end.saturating_sub(self.overlap);
            let next = if end >= self.overlap && overlapping > start {
                overlapping
            } else {
                end
            };
            start = text.ceil_char_boundary(next);
        }
        chunks
    }

    /// Where the chunk ends that begins at `start`. Always further on.
    fn end_of_chunk(&self, text: &str, start: usize) -> usize {
        if start.saturating_add(self.size) >= text.len() {
            return text.len();
        }
        let limit = text.floor_char_boundary(start + self.size);
        if limit == start {
            // Not even one character fits.
            return text.ceil_char_boundary(start + 1);
        }
        let ends_well = |c: char| c.is_whitespace() || matches!(c, '.' | '!' | '?');
        match text[start..limit].rfind(ends_well) {
            // The mark belongs to this chunk, all of its bytes.
            Some(at) => text.ceil_char_boundary(start + at + 1),
            None => limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn default() -> Chunking {
        Chunking::new(None, None).unwrap()
    }

    #[test]
    fn a_text_is_split_where_vectorizer_splits_it() {
        let text = (0..80)
            .map(|n| format!("Sentence number {n} talks about contracts."))
            .collect::<Vec<_>>()
            .join(" ");
        assert!(Chunking::applies_to(&text));
        let chunks = default().split(&text);
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks[0], &text[..2047]);
        assert_eq!(chunks[1], &text[1792..]);
        assert_eq!(chunks[2], text[text.len() - 256..].trim());
    }

    #[test]
    fn a_text_without_marks_is_cut_between_characters() {
        let text = "я".repeat(3_000);
        let chunks = default().split(&text);
        assert_eq!(chunks[0].len(), 2048);
        assert!(chunks.iter().all(|chunk| chunk.chars().all(|c| c == 'я')));
        assert!(Chunking::new(Some(1), None).unwrap().split("яя").len() == 2);
    }

    #[test]
    fn short_texts_stay_whole() {
        assert!(!Chunking::applies_to(&"x".repeat(2048)));
        assert!(Chunking::applies_to(&"x".repeat(2049)));
    }

    #[test]
    fn chunks_that_get_nowhere_are_refused() {
        assert_eq!(Chunking::new(Some(0), None), Err(ChunkError::EmptyChunks));
        assert_eq!(
            Chunking::new(Some(10), Some(10)),
            Err(ChunkError::OverlapTooLarge {
                overlap: 10,
                size: 10
            })
        );
        assert!(Chunking::new(Some(10), None).is_ok());
    }

    proptest! {
        #[test]
        fn every_word_is_in_some_chunk_and_no_chunk_is_too_long(
            text in "[a-zé世 .\n]{0,300}",
            size in 8usize..60,
            overlap in 0usize..7,
        ) {
            let chunks = Chunking::new(Some(size), Some(overlap)).unwrap().split(&text);
            for chunk in &chunks {
                prop_assert!(!chunk.is_empty() && chunk.len() <= size && *chunk == chunk.trim());
            }
            // Walking through the chunks in order passes every visible character of the text.
            let mut reached = 0;
            for chunk in &chunks {
                let at = chunk.as_ptr() as usize - text.as_ptr() as usize;
                if at > reached {
                    prop_assert!(text[reached..at].trim().is_empty());
                }
                reached = reached.max(at + chunk.len());
            }
            prop_assert!(text[reached..].trim().is_empty());
        }
    }
}
