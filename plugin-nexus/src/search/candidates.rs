//! What vectors and words lead to, of what may be shown.
//!
//! ```text
//! subject -> vector of each collection -> host searches, side by side --\
//!         -> words ---------------------> text index --------------------+-> what may be shown
//! ```

use std::sync::Arc;
use std::time::Instant;

use vectorizer_plugin_api::model::{Document, Fields, Hit, Metric};
use vectorizer_plugin_api::{Fault, FaultCode};

use super::fusion::sort;
use super::request::{Search, Subject};
use super::shown::{Shown, Terms};
use crate::api::ApiError;
use crate::journal::DocumentId;
use crate::lexical::{Lexical, LexicalError};
use crate::payload::text;
use crate::sync::{Context, unless_gone};

/// Documents with their scores, best first.
pub(super) type Hits = Vec<(DocumentId, f64)>;

/// Hits of one collection that are asked for at least: fusion needs more than is shown.
const LEAST_WIDTH: usize = 50;
/// So many times more where not all of them may be shown.
const FILTERED: usize = 4;
pub(super) const MOST_WIDTH: usize = 2_000;

/// What vectors and words lead to.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// One list each for collections whose scores are of one scale.
    pub(super) vector: Vec<Hits>,
    pub(super) lexical: Hits,
    pub(super) shown: Shown,
    /// The document that was asked about.
    pub(super) about: Option<DocumentId>,
    /// Why there is not all there could be.
    pub(super) degraded: Vec<String>,
    /// Whether some list may go on.
    pub(super) is_cut: bool,
}

/// The subject of a search, as it can be looked for.
#[derive(Debug, Clone, Default)]
struct Query {
    vector: Option<Vec<f32>>,
    text: Option<String>,
    about: Option<DocumentId>,
}

/// What one collection answers.
struct Answer {
    metric: Metric,
    vector: Vec<f32>,
    hits: Vec<Hit>,
    collection: String,
}

/// How many hits of each collection are asked for.
pub(super) fn width(context: &Context, search: &Search) -> usize {
    let shown = search.offset + search.limit;
    let is_partial = search.filter != Default::default() || !context.config().permissions.is_ignored();
    let factor = if is_partial { FILTERED } else { 1 };
    ((2 * shown).max(LEAST_WIDTH) * factor).min(MOST_WIDTH)
}

/// Asks the store and the text index. `lenient`: collections that do not fit the subject are passed over.
///
/// # Errors
/// [`ApiError`] for what cannot be searched for, or a store that does not answer.
pub(super) async fn candidates(
    context: &Arc<Context>,
    search: &Arc<Search>,
    width: usize,
    lenient: bool,
    deadline: Instant,
) -> Result<Candidates, ApiError> {
    let given = Arc::clone(search);
    let (query, shown) = context
        .blocking(move |context| Ok(query(context, &given)))
        .await??;
    let mut found = Candidates {
        about: query.about.clone(),
        shown,
        ..Candidates::default()
    };
    if !search.needs_hits() {
        return Ok(found);
    }
    let alone = search.weights.vector + search.weights.lexical == 0.0;
    let vectors = async {
        match search.weights.vector > 0.0 || alone {
            true => vectors(context, search, &query, width, lenient).await,
            false => Ok(Vec::new()),
        }
    };
    let words = async {
        match &query.text {
            Some(text) if search.weights.lexical > 0.0 => words(context, search, text, width, deadline).await,
            _ => Ok(Vec::new()),
        }
    };
    let (answers, words) = tokio::join!(vectors, words);
    let answers = answers?;
    let words = words.unwrap_or_else(|reason| {
        found.degraded.push(reason);
        Vec::new()
    });
    let asks_words = search.weights.lexical > 0.0 && query.text.is_some();
    if asks_words && context.lexical.as_deref().is_some_and(Lexical::is_incomplete) {
        found.degraded.push("the text index is being built".to_owned());
    }
    let search = Arc::clone(search);
    let gather = move |context: &Context| Ok(gather(context, &search, width, found, answers, words));
    context.blocking(gather).await?
}

/// Reads the subject. Blocks.
fn query(context: &Context, search: &Search) -> Result<(Query, Shown), ApiError> {
    let mut shown = Shown::default();
    let query = match &search.subject {
        Subject::Vector(vector) => Query {
            vector: Some(vector.clone()),
            ..Query::default()
        },
        Subject::Text { text, vector } => Query {
            text: Some(text.clone()),
            vector: vector.clone(),
            about: None,
        },
        Subject::Document(document) => {
            let found = context
                .host
                .get(&document.collection, &[&document.id], Fields::ALL);
            let found = unless_gone(found).map_err(ApiError::Store)?;
            let terms = Terms::of(context, search);
            let found = found.unwrap_or_default().pop().filter(|found| {
                let visibility = terms.visibility();
                visibility.shows_to_reader(&document.collection, found.payload.as_ref())
            });
            // One that may not be seen is none.
            let found = found.ok_or(ApiError::NotFound("there is no such document"))?;
            let words = found.payload.as_ref().map(text).unwrap_or_default();
            let words = [words.title, words.body].join("\n");
            shown.admit(terms, document, found.payload)?;
            Query {
                text: Some(words).filter(|words| !words.trim().is_empty()),
                vector: Some(found.vector),
                about: Some(document.clone()),
            }
        }
    };
    Ok((query, shown))
}

async fn vectors(
    context: &Arc<Context>,
    search: &Arc<Search>,
    query: &Query,
    width: usize,
    lenient: bool,
) -> Result<Vec<Answer>, ApiError> {
    let places: Vec<usize> = (0..search.collections.len()).collect();
    let (given, query) = (Arc::clone(search), query.clone());
    let ask = move |context: &Context, places: Vec<usize>| {
        let answers = places
            .into_iter()
            .map(|at| ask(context, &given, &query, at, width));
        Ok(answers.collect())
    };
    let answers: Vec<Result<Answer, ApiError>> = context.side_by_side(places, ask).await?;
    let fits =
        |answer: &Result<Answer, ApiError>| !(lenient && matches!(answer, Err(ApiError::Field { .. })));
    answers.into_iter().filter(fits).collect()
}

fn ask(
    context: &Context,
    search: &Search,
    query: &Query,
    at: usize,
    width: usize,
) -> Result<Answer, ApiError> {
    let collection = &search.collections[at];
    let info = context
        .host
        .collection(collection)
        .map_err(|fault| refused(at, collection, fault))?;
    let given = query.vector.as_ref();
    let vector = match given.filter(|vector| vector.len() == info.dimension as usize) {
        Some(vector) => vector.clone(),
        // Another model than the vector's may know what to do with the text.
        None => match (&query.text, given) {
            (Some(text), None) => embed(context, at, collection, text)?,
            (Some(text), Some(vector)) => embed(context, at, collection, text)
                .map_err(|_| other_dimension(at, collection, vector.len()))?,
            (None, given) => {
                return Err(other_dimension(at, collection, given.map_or(0, Vec::len)));
            }
        },
    };
    let hits = context
        .host
        .search(collection, &vector, width, Fields::PAYLOAD)
        .map_err(|fault| refused(at, collection, fault))?;
    Ok(Answer {
        metric: info.metric,
        vector,
        hits,
        collection: collection.clone(),
    })
}

fn other_dimension(at: usize, collection: &str, components: usize) -> ApiError {
    ApiError::field(
        &format!("collections[{at}]"),
        format!("'{collection}' cannot be searched with a vector of {components} components"),
    )
}

fn embed(context: &Context, at: usize, collection: &str, text: &str) -> Result<Vec<f32>, ApiError> {
    context
        .host
        .embed(collection, text)
        .map_err(|fault| match fault.code {
            FaultCode::Invalid | FaultCode::Unsupported => ApiError::field(
                "text",
                format!("collection '{collection}' takes no texts: {}", fault.message),
            ),
            _ => refused(at, collection, fault),
        })
}

fn refused(at: usize, collection: &str, fault: Fault) -> ApiError {
    let field = format!("collections[{at}]");
    match fault.code {
        FaultCode::NotFound => ApiError::field(&field, "there is no such collection"),
        FaultCode::Invalid => {
            let reason = format!(
                "'{collection}' cannot be searched with this vector: {}",
                fault.message
            );
            ApiError::field(&field, reason)
        }
        _ => ApiError::Store(fault),
    }
}

/// Documents with the words of a text; a reason where there are none to be had.
async fn words(
    context: &Arc<Context>,
    search: &Arc<Search>,
    text: &str,
    width: usize,
    deadline: Instant,
) -> Result<Vec<Hits>, String> {
    let (names, text): (Vec<String>, Arc<str>) = (search.collections.clone(), text.into());
    // Only readers who are somebody can see any of those.
    let restricted = !search.reader.principals.is_empty();
    let look = move |context: &Context, names: Vec<String>| {
        let found = names.iter().map(|name| match &context.lexical {
            Some(lexical) => lexical.search(name, &text, restricted, width),
            None => Ok(Vec::new()),
        });
        Ok(found.collect())
    };
    let found: Vec<Result<Hits, LexicalError>> =
        match tokio::time::timeout_at(deadline.into(), context.side_by_side(names, look)).await {
            Ok(found) => found.map_err(|fault| fault.to_string())?,
            Err(_) => return Err("the text index did not answer in time".to_owned()),
        };
    found
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|_| "the text index cannot be used at present".to_owned())
}

/// Puts together what may be shown. Blocks.
fn gather(
    context: &Context,
    search: &Search,
    width: usize,
    mut found: Candidates,
    answers: Vec<Answer>,
    words: Vec<Hits>,
) -> Result<Candidates, ApiError> {
    let terms = Terms::of(context, search);
    found.is_cut = answers.iter().any(|answer| answer.hits.len() >= width)
        || words.iter().any(|hits| hits.len() >= width);
    let is_about = |document: &DocumentId, about: &Option<DocumentId>| about.as_ref() == Some(document);
    let mut scales: Vec<(Metric, Vec<f32>, Hits)> = Vec::new();
    for Answer {
        metric,
        vector,
        hits,
        collection,
    } in answers
    {
        // The same text makes the same vector: the same model, whose scores can be compared.
        let same = scales
            .iter()
            .position(|(other, known, _)| *other == metric && *known == vector);
        let at = same.unwrap_or_else(|| {
            scales.push((metric, vector, Vec::new()));
            scales.len() - 1
        });
        for hit in hits {
            let Document { id, payload, .. } = hit.document;
            let document = DocumentId::new(collection.as_str(), id);
            if !is_about(&document, &found.about) && found.shown.admit(terms, &document, payload)? {
                scales[at].2.push((document, f64::from(hit.score)));
            }
        }
    }
    found.vector = scales
        .into_iter()
        .map(|(_, _, hits)| sorted(hits, width))
        .collect();
    let words: Hits = words.into_iter().flatten().collect();
    found.shown.read(
        terms,
        &search.collections,
        words.iter().map(|(document, _)| document),
    )?;
    let shown = words
        .into_iter()
        .filter(|(document, _)| found.shown.has(document) && !is_about(document, &found.about));
    found.lexical = sorted(shown.collect(), width);
    Ok(found)
}

/// Best first, `most` of them.
fn sorted(mut hits: Hits, most: usize) -> Hits {
    sort(&mut hits);
    hits.truncate(most);
    hits
}
