//! The index on disk (tantivy): words with their counts, and of each document its name and the digest of what was indexed.
//!
//! Invariants: texts cannot be read back from it; it is a copy, so what cannot be read is deleted and built again; one process at a
//! time (the journal's lock).

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tantivy::collector::TopDocs;
use tantivy::columnar::Column;
use tantivy::directory::MmapDirectory;
use tantivy::fastfield::AliveBitSet;
use tantivy::index::{IndexSettings, InvertedIndexReader};
use tantivy::indexer::IndexWriterOptions;
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
    Value as _,
};
use tantivy::termdict::TermStreamer;
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{
    DocSet, IndexReader, IndexWriter, ReloadPolicy, Searcher, TERMINATED, TantivyDocument, TantivyError, Term,
};

use super::analysis::{self, Analyzer, Language};
use super::entry::{self, Entry, Shelf, words_prefix};
use super::ranking::Ranking;
use super::words::{PrefixedWords, prefixed};
use crate::journal::DocumentId;

/// What is gathered in memory before it is written to disk.
const MEMORY: usize = 32 << 20;
/// Words of a query that are looked at, and of these, the rarest that are searched for.
const MOST_WORDS: usize = 512;
const SEARCHED_WORDS: usize = 64;
const TOKENIZER: &str = "prefixed_words";
const DIGEST: &str = "digest";

/// What the index cannot do.
#[derive(Debug, thiserror::Error)]
pub enum LexicalError {
    /// Its files cannot be read or written, or are damaged.
    #[error("the text index: {0}")]
    Index(#[from] TantivyError),
    /// Its folder cannot be made or deleted.
    #[error("the text index's folder: {0}")]
    Folder(#[from] std::io::Error),
    /// It is being opened again.
    #[error("the text index is not open: {0}")]
    Closed(String),
}

#[derive(Debug, Clone, Copy)]
struct Names {
    key: Field,
    collection: Field,
    digest: Field,
    /// The words of documents that everybody may see who may see the collection, and of the others.
    open: Field,
    restricted: Field,
}

fn schema() -> (Schema, Names) {
    let mut schema = Schema::builder();
    let words = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(TOKENIZER)
            .set_index_option(IndexRecordOption::WithFreqs),
    );
    let names = Names {
        key: schema.add_bytes_field("key", BytesOptions::from(INDEXED) | STORED),
        collection: schema.add_bytes_field("collection", INDEXED),
        digest: schema.add_u64_field(DIGEST, FAST),
        open: schema.add_text_field("open", words.clone()),
        restricted: schema.add_text_field("restricted", words),
    };
    (schema.build(), names)
}

/// The folder of an index by the present rules for this language.
fn place(folder: &Path, language: Language) -> PathBuf {
    let version = analysis::VERSION;
    folder.join(format!("v{version}-{language:?}").to_lowercase())
}

/// Opens the index in `folder`; one by other rules is deleted, and one that cannot be opened is begun anew.
///
/// # Errors
/// [`LexicalError`].
pub(super) fn open(folder: &Path, language: Language) -> Result<(Index, Writer), LexicalError> {
    let place = place(folder, language);
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path != place {
            fs::remove_dir_all(path)?;
        }
    }
    try_open(&place, language).or_else(|error| {
        tracing::warn!(%error, "the text index cannot be read; it is built again from the store");
        delete(folder)?;
        try_open(&place, language)
    })
}

/// Deletes the index in `folder`, if there is one.
///
/// # Errors
/// [`LexicalError::Folder`].
pub(super) fn delete(folder: &Path) -> Result<(), LexicalError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn try_open(place: &Path, language: Language) -> Result<(Index, Writer), LexicalError> {
    fs::create_dir_all(place)?;
    let (schema, names) = schema();
    let settings = IndexSettings {
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let directory = MmapDirectory::open(place).map_err(TantivyError::from)?;
    let index = tantivy::Index::builder()
        .schema(schema)
        .settings(settings)
        .open_or_create(directory)?;
    let analyzer = Analyzer::new(language);
    let words = TextAnalyzer::builder(PrefixedWords(analyzer.clone())).build();
    index.tokenizers().register(TOKENIZER, words);
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(MEMORY)
        .num_merge_threads(1)
        .build();
    let writer = index.writer_with_options(options)?;
    let reader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .try_into()?;
    let index = Index {
        reader,
        names,
        analyzer,
    };
    let writer = Writer {
        writer,
        names,
        touched: HashSet::new(),
        emptied: HashSet::new(),
    };
    Ok((index, writer))
}

/// Puts documents into the index.
pub(super) struct Writer {
    writer: IndexWriter,
    names: Names,
    /// What changed since the last commit: of these, the index does not show how they stand.
    touched: HashSet<Vec<u8>>,
    emptied: HashSet<String>,
}

impl Writer {
    /// Whether what the index shows of a document is out of date, since it was changed after the last commit.
    pub(super) fn has_touched(&self, collection: &str, id: &str) -> bool {
        self.emptied.contains(collection) || self.touched.contains(&entry::key(collection, id))
    }

    /// Indexes a document anew.
    pub(super) fn put(&mut self, collection: &str, id: &str, entry: &Entry<'_>) -> Result<(), LexicalError> {
        self.delete(collection, id);
        let mut document = TantivyDocument::new();
        document.add_bytes(self.names.key, &entry::key(collection, id));
        document.add_bytes(self.names.collection, collection.as_bytes());
        document.add_u64(self.names.digest, entry.digest);
        let field = match entry.shelf {
            Shelf::Open => self.names.open,
            Shelf::Restricted => self.names.restricted,
        };
        let prefix = words_prefix(collection);
        document.add_text(field, prefixed(&prefix, entry.title, entry.body));
        self.writer.add_document(document)?;
        Ok(())
    }

    pub(super) fn delete(&mut self, collection: &str, id: &str) {
        let key = entry::key(collection, id);
        self.writer
            .delete_term(Term::from_field_bytes(self.names.key, &key));
        self.touched.insert(key);
    }

    pub(super) fn delete_collection(&mut self, collection: &str) {
        self.writer.delete_term(Term::from_field_bytes(
            self.names.collection,
            collection.as_bytes(),
        ));
        self.emptied.insert(collection.to_owned());
    }

    /// Makes all changes since the last time durable, and lets them be found.
    pub(super) fn commit(&mut self, index: &Index) -> Result<(), LexicalError> {
        self.writer.commit()?;
        self.touched.clear();
        self.emptied.clear();
        index.reader.reload()?;
        Ok(())
    }
}

/// Reads the index, as of the last commit.
pub(super) struct Index {
    reader: IndexReader,
    names: Names,
    analyzer: Analyzer,
}

impl Index {
    /// Documents in it.
    pub(super) fn len(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// What was indexed of these documents: the digest of each, `None` for one that is not there.
    pub(super) fn digests<'a>(
        &self,
        collection: &str,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Option<u64>>, LexicalError> {
        let searcher = self.reader.searcher();
        let segments = self.segments(&searcher)?;
        ids.map(|id| {
            let term = Term::from_field_bytes(self.names.key, &entry::key(collection, id));
            for segment in &segments {
                if let Some(found) = segment.living(&term)? {
                    return Ok(segment.digests.first(found));
                }
            }
            Ok(None)
        })
        .collect()
    }

    /// The ids of a collection's documents in it, in order, from the first behind `after`, `most` at most.
    pub(super) fn ids(
        &self,
        collection: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, LexicalError> {
        let prefix = entry::prefix(collection);
        // No byte of an id is that great.
        let end = [prefix.as_slice(), &[0xff]].concat();
        let searcher = self.reader.searcher();
        let mut found = BTreeSet::new();
        for segment in self.segments(&searcher)? {
            let range = segment.keys.terms().range().lt(&end);
            let range = match after {
                Some(id) => range.gt(entry::key(collection, id)),
                None => range.ge(&prefix),
            };
            let mut terms: TermStreamer<'_> = range.into_stream().map_err(TantivyError::from)?;
            let mut count = 0;
            while count < most && terms.advance() {
                let term = Term::from_field_bytes(self.names.key, terms.key());
                if segment.living(&term)?.is_some()
                    && let Some(document) = entry::document(terms.key())
                {
                    found.insert(document.id.to_string());
                    count += 1;
                }
            }
        }
        Ok(found.into_iter().take(most).collect())
    }

    /// The collections that it has documents of.
    pub(super) fn collections(&self) -> Result<BTreeSet<String>, LexicalError> {
        let searcher = self.reader.searcher();
        let mut names = BTreeSet::new();
        for segment in searcher.segment_readers() {
            let collections = segment.inverted_index(self.names.collection)?;
            let mut terms = collections.terms().stream().map_err(TantivyError::from)?;
            while terms.advance() {
                names.extend(std::str::from_utf8(terms.key()).ok().map(str::to_owned));
            }
        }
        let mut living = BTreeSet::new();
        for name in names {
            if !self.ids(&name, None, 1)?.is_empty() {
                living.insert(name);
            }
        }
        Ok(living)
    }

    fn segments<'a>(&self, searcher: &'a Searcher) -> Result<Vec<Segment<'a>>, TantivyError> {
        let segments = searcher.segment_readers().iter();
        segments
            .map(|segment| {
                Ok(Segment {
                    keys: segment.inverted_index(self.names.key)?,
                    digests: segment.fast_fields().u64(DIGEST)?,
                    alive: segment.alive_bitset(),
                })
            })
            .collect()
    }

    /// The `most` best documents of a collection for a text by BM25, best first; restricted ones among them only where these are asked
    /// for, too.
    pub(super) fn search(
        &self,
        collection: &str,
        text: &str,
        restricted: bool,
        most: usize,
    ) -> Result<Vec<(DocumentId, f64)>, LexicalError> {
        let searcher = self.reader.searcher();
        let prefix = words_prefix(collection);
        let words = self.words(&searcher, &prefix, text)?;
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let ranking = Ranking::new(&searcher, self.names.open, &prefix)?;
        let mut fields = vec![self.names.open];
        if restricted {
            fields.push(self.names.restricted);
        }
        let clauses = fields.into_iter().flat_map(|field| {
            words.iter().map(move |word| {
                let term = Term::from_field_text(field, word);
                let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
                (Occur::Should, query)
            })
        });
        let query = BooleanQuery::new(clauses.collect());
        let best = TopDocs::with_limit(most.max(1)).order_by_score();
        let hits = searcher.search_with_statistics_provider(&query, &best, &ranking)?;
        let mut found = Vec::with_capacity(hits.len());
        for (score, address) in hits {
            let document: TantivyDocument = searcher.doc(address)?;
            let name = document.get_first(self.names.key);
            let name = name.and_then(|name| entry::document(name.as_bytes()?));
            // Two collections may share a prefix, if hardly ever.
            found.extend(
                name.filter(|name| *name.collection == *collection)
                    .map(|name| (name, f64::from(score))),
            );
        }
        found.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        Ok(found)
    }

    /// The words of a query behind their prefix: all of a short one, the rarest of a long one.
    fn words(&self, searcher: &Searcher, prefix: &str, text: &str) -> Result<BTreeSet<String>, TantivyError> {
        let mut words = BTreeSet::new();
        self.analyzer.words(text, |word| {
            if words.len() < MOST_WORDS {
                words.insert([prefix, word].concat());
            }
        });
        if words.len() <= SEARCHED_WORDS {
            return Ok(words);
        }
        let mut rare = Vec::with_capacity(words.len());
        for word in words {
            match searcher.doc_freq(&Term::from_field_text(self.names.open, &word))? {
                0 => {}
                count => rare.push((count, word)),
            }
        }
        rare.sort();
        Ok(rare
            .into_iter()
            .take(SEARCHED_WORDS)
            .map(|(_, word)| word)
            .collect())
    }
}

struct Segment<'a> {
    keys: std::sync::Arc<InvertedIndexReader>,
    digests: Column<u64>,
    alive: Option<&'a AliveBitSet>,
}

impl Segment<'_> {
    /// The document with this key, if it is here and not deleted.
    fn living(&self, key: &Term) -> Result<Option<u32>, TantivyError> {
        let Some(mut postings) = self.keys.read_postings(key, IndexRecordOption::Basic)? else {
            return Ok(None);
        };
        let mut document = postings.doc();
        while document != TERMINATED {
            if self.alive.is_none_or(|alive| alive.is_alive(document)) {
                return Ok(Some(document));
            }
            document = postings.advance();
        }
        Ok(None)
    }
}
