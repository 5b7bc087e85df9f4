//! What a request may touch: as much as path and body say, and everything where they do not.

use super::asked::Asked;
use super::catalogue::{Catalogue, Scope};
use super::locks::Named;
use super::mutation::Mutation;

/// The collections that a request may touch.
pub(super) fn scope(mutation: &Mutation, asked: &Asked) -> Scope {
    let (in_body, destination) = match asked {
        Asked::Documents {
            collection,
            destination,
            ..
        } => (collection.as_ref(), destination.as_ref()),
        _ => (None, None),
    };
    match mutation {
        Mutation::Insert | Mutation::InsertMany | Mutation::Batch(_) => match in_body {
            Some(name) => Scope::Collections(vec![name.clone()]),
            None => Scope::Anywhere,
        },
        Mutation::Transfer { source, .. } => {
            let names = std::iter::once(source).chain(destination);
            Scope::Collections(names.cloned().collect())
        }
        Mutation::One { collection: name, .. }
        | Mutation::Filtered { collection: name, .. }
        | Mutation::QdrantUpsert(name)
        | Mutation::QdrantDelete(name) => Scope::Collections(vec![name.clone()]),
        Mutation::Drop(name) | Mutation::Rename(name) | Mutation::Reset(name) => Scope::Whole(name.clone()),
        Mutation::Create | Mutation::QdrantCreate(_) | Mutation::Upload | Mutation::Unsaid => Scope::Anywhere,
        Mutation::Command(_) => match asked {
            Asked::Drop => Scope::Everything,
            _ => Scope::Anywhere,
        },
        Mutation::Anything => Scope::Everything,
    }
}

/// The documents that a request may write, by the canonical names of their collections. Of a collection that is not known nobody
/// merges a document.
pub(super) fn named(catalogue: &Catalogue, mutation: &Mutation, asked: &Asked) -> Vec<Named> {
    let in_body = match asked {
        Asked::Documents { ids, .. } => ids.clone(),
        Asked::Points(points) => Some(points.iter().map(|point| point.id.clone()).collect()),
        Asked::Unknown | Asked::Nothing | Asked::Drop => None,
    };
    let ids = match mutation {
        Mutation::One { id, .. } => Some(vec![id.clone()]),
        _ => in_body,
    };
    let writes_documents = matches!(
        mutation,
        Mutation::Insert | Mutation::InsertMany | Mutation::Batch(_)
    );
    match scope(mutation, asked) {
        Scope::Collections(names) => names
            .iter()
            .filter_map(|name| catalogue.canonical(name))
            .map(|collection| Named::Within {
                collection,
                ids: ids.clone(),
            })
            .collect(),
        Scope::Anywhere if writes_documents => vec![Named::Anywhere],
        Scope::Anywhere | Scope::Whole(_) | Scope::Everything => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, path: &str, body: &str) -> Scope {
        let mutation = Mutation::of(method, path).unwrap();
        let asked = match mutation.reads_request() {
            true => Asked::read(&mutation, body.as_bytes()),
            false => Asked::Unknown,
        };
        scope(&mutation, &asked)
    }

    #[test]
    fn a_request_touches_what_it_says_and_anything_where_it_does_not() {
        let within =
            |names: &[&str]| Scope::Collections(names.iter().map(|name| (*name).to_owned()).collect());
        let batch = r#"{"collection": "c", "ids": ["a"]}"#;
        assert_eq!(of("POST", "/batch_delete", batch), within(&["c"]));
        assert_eq!(of("POST", "/batch_delete", "?"), Scope::Anywhere);
        let transfer = r#"{"destination": "d", "ids": ["a"]}"#;
        assert_eq!(
            of("POST", "/collections/c/vectors/move", transfer),
            within(&["c", "d"])
        );
        assert_eq!(of("DELETE", "/collections/c", ""), Scope::Whole("c".to_owned()));
        assert_eq!(of("POST", "/backups/restore", ""), Scope::Everything);
        let drop = r#"{"query": "mutation { deleteCollection(name: \"c\") }"}"#;
        assert_eq!(of("POST", "/graphql", drop), Scope::Everything);
        assert_eq!(of("POST", "/files/upload", ""), Scope::Anywhere);
    }
}
