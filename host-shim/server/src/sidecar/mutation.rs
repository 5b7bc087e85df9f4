//! Which requests to Vectorizer change something, told by method and path (`contracts/vectorizer.md`, section 4).
//!
//! Invariants:
//! - A request that may change something is a mutation; the routes that do nothing or cannot work (`/update`, `/delete`, `/vector`)
//!   are none.
//! - A path is read as Vectorizer reads it: cut at the slashes, each part decoded for itself.

use percent_encoding::percent_decode_str;
use vectorizer_plugin_api::model::Op;

/// A route that changes something, with what its path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mutation {
    /// `POST /insert`: the answer has all ids.
    Insert,
    /// `POST /insert_texts`, `/batch_insert`, `/insert_vectors`: the answer has the ids item by item.
    InsertMany,
    /// `POST /batch_update`, `/batch_delete`: likewise.
    Batch(Op),
    /// `DELETE /collections/{c}/vectors/{id}`, `PATCH …/expiry`: the path has it.
    One {
        /// The collection, by any of its names.
        collection: String,
        /// What it does.
        op: Op,
        /// The document.
        id: String,
    },
    /// `POST …/vectors/move`, `/copy`: the answer has the ids, of both collections.
    Transfer {
        /// Where they come from.
        source: String,
        /// Whether they leave it.
        moves: bool,
    },
    /// `POST …/vectors/delete_by_filter`, `/bulk_update_metadata`: the answer has the ids.
    Filtered {
        /// The collection.
        collection: String,
        /// What it does.
        op: Op,
    },
    /// `PUT /qdrant/collections/{c}/points`: only the request has the ids, and the answer comes before it is done.
    QdrantUpsert(String),
    /// `POST /qdrant/collections/{c}/points/delete`: only the request has the ids.
    QdrantDelete(String),
    /// `POST /collections`: the answer has the name.
    Create,
    /// `PUT /qdrant/collections/{c}`.
    QdrantCreate(String),
    /// `DELETE /collections/{c}`, `/qdrant/collections/{c}`.
    Drop(String),
    /// `POST /collections/{c}/rename`.
    Rename(String),
    /// `POST …/snapshots/{id}/restore`, `/reencode`: the collection is another one afterwards.
    Reset(String),
    /// `POST /files/upload`: the answer has the collection.
    Upload,
    /// `POST /graphql`, `/umicp`, `/mcp`: something may be changed, where the body asks for it.
    Command(Protocol),
    /// Something may be, and no collection goes: other names, snapshots that are put on disk.
    Unsaid,
    /// Anything may be: restores, set-up, clean-up.
    Anything,
}

/// How a command is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// A GraphQL document.
    GraphQl,
    /// JSON-RPC of the Model Context Protocol, whose answers are streams of events.
    Mcp,
    /// An envelope of UMICP.
    Umicp,
}

impl Mutation {
    /// The mutation that a request to this path is, if it is one.
    pub(super) fn of(method: &str, path: &str) -> Option<Self> {
        // Most requests are reads, and need no parts.
        if method == "GET" || method == "HEAD" || method == "OPTIONS" {
            return None;
        }
        let parts: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Some(match (method, parts.as_slice()) {
            ("POST", ["insert"]) => Self::Insert,
            ("POST", ["insert_texts" | "batch_insert" | "insert_vectors"]) => Self::InsertMany,
            ("POST", ["batch_update"]) => Self::Batch(Op::Update),
            ("POST", ["batch_delete"]) => Self::Batch(Op::Delete),
            ("POST", ["collections"]) => Self::Create,
            ("DELETE", ["collections", "cleanup"]) => Self::Anything,
            ("DELETE", ["qdrant", "collections", name] | ["collections", name]) => {
                Self::Drop((*name).to_owned())
            }
            ("POST", ["collections", name, "rename"]) => Self::Rename((*name).to_owned()),
            (
                "POST",
                ["collections", name, "reencode"] | ["collections", name, "snapshots", _, "restore"],
            ) => Self::Reset((*name).to_owned()),
            ("POST", ["collections", name, "vectors", rest @ ..]) => return Self::of_vectors(name, rest),
            ("DELETE", ["collections", name, "vectors", id]) => Self::one(name, Op::Delete, id),
            ("PATCH", ["collections", name, "vectors", id, "expiry"]) => Self::one(name, Op::Update, id),
            ("PUT", ["qdrant", "collections", name]) => Self::QdrantCreate((*name).to_owned()),
            ("PUT", ["qdrant", "collections", name, "points"]) => Self::QdrantUpsert((*name).to_owned()),
            ("POST", ["qdrant", "collections", name, "points", "delete"]) => {
                Self::QdrantDelete((*name).to_owned())
            }
            ("POST", ["files", "upload"]) => Self::Upload,
            ("POST", ["graphql"]) => Self::Command(Protocol::GraphQl),
            ("POST", ["mcp", ..]) => Self::Command(Protocol::Mcp),
            ("POST", ["umicp"]) => Self::Command(Protocol::Umicp),
            ("POST", ["setup", "apply"] | ["backups", "restore"] | ["hub", "backups", "restore"]) => {
                Self::Anything
            }
            ("POST", ["qdrant", "collections", "aliases"])
            | ("POST", ["qdrant", "collections", _, "snapshots", "recover" | "upload"]) => Self::Unsaid,
            _ => return None,
        })
    }

    fn of_vectors(collection: &str, rest: &[&str]) -> Option<Self> {
        let filtered = |op| Self::Filtered {
            collection: collection.to_owned(),
            op,
        };
        let transfer = |moves| Self::Transfer {
            source: collection.to_owned(),
            moves,
        };
        Some(match rest {
            ["move"] => transfer(true),
            ["copy"] => transfer(false),
            ["delete_by_filter"] => filtered(Op::Delete),
            ["bulk_update_metadata"] => filtered(Op::Update),
            _ => return None,
        })
    }

    fn one(collection: &str, op: Op, id: &str) -> Self {
        Self::One {
            collection: collection.to_owned(),
            op,
            id: id.to_owned(),
        }
    }

    /// Whether the request says something that path and answer do not: which documents are about to change, or what is asked for.
    pub(super) const fn reads_request(&self) -> bool {
        match self {
            Self::Insert
            | Self::InsertMany
            | Self::Batch(_)
            | Self::Transfer { .. }
            | Self::QdrantUpsert(_)
            | Self::QdrantDelete(_)
            | Self::Create
            | Self::Command(_) => true,
            Self::One { .. }
            | Self::Filtered { .. }
            | Self::QdrantCreate(_)
            | Self::Drop(_)
            | Self::Rename(_)
            | Self::Reset(_)
            | Self::Upload
            | Self::Unsaid
            | Self::Anything => false,
        }
    }

    /// Whether it is about collections as a whole, and so has no long body.
    pub(super) const fn is_of_whole_collections(&self) -> bool {
        matches!(
            self,
            Self::Drop(_) | Self::Rename(_) | Self::Reset(_) | Self::Anything
        )
    }

    /// Whether the answer says something. Other answers are streamed through.
    pub(super) const fn reads_answer(&self) -> bool {
        match self {
            Self::Insert
            | Self::InsertMany
            | Self::Batch(_)
            | Self::Transfer { .. }
            | Self::Filtered { .. }
            | Self::Create
            | Self::Rename(_)
            | Self::Upload => true,
            Self::One { .. }
            | Self::QdrantUpsert(_)
            | Self::QdrantDelete(_)
            | Self::QdrantCreate(_)
            | Self::Drop(_)
            | Self::Reset(_)
            | Self::Command(_)
            | Self::Unsaid
            | Self::Anything => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_routes_that_do_nothing_are_no_mutations() {
        for (method, path) in [
            ("GET", "/collections/c1"),
            ("DELETE", "/auth/keys/5"),
            ("POST", "/collections/c1/search"),
            ("POST", "/qdrant/collections/c1/points"),
            ("POST", "/qdrant/collections/c1/points/scroll"),
            ("POST", "/update"),
            ("POST", "/delete"),
            ("POST", "/vector"),
            ("GET", "/collections/c1/vectors/a"),
            ("POST", "/auth/login"),
            ("POST", "/qdrant/collections/c/snapshots"),
            // The same documents, found by another graph.
            ("POST", "/collections/c/reindex"),
            ("GET", "/graphql"),
            ("GET", "/mcp"),
        ] {
            assert_eq!(Mutation::of(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn each_part_of_a_path_is_decoded_for_itself() {
        assert_eq!(
            Mutation::of("DELETE", "/collections/c%201/vectors/a%2Fb%C3%A4"),
            Some(Mutation::one("c 1", Op::Delete, "a/bä"))
        );
        assert_eq!(
            Mutation::of("DELETE", "//collections//c1/"),
            Some(Mutation::Drop("c1".to_owned()))
        );
        assert_eq!(
            Mutation::of("DELETE", "/collections/cleanup"),
            Some(Mutation::Anything)
        );
    }

    #[test]
    fn what_may_change_anything_is_a_mutation() {
        for path in ["/setup/apply", "/backups/restore", "/hub/backups/restore"] {
            assert_eq!(Mutation::of("POST", path), Some(Mutation::Anything), "{path}");
        }
        for path in [
            "/qdrant/collections/aliases",
            "/qdrant/collections/c/snapshots/upload",
        ] {
            assert_eq!(Mutation::of("POST", path), Some(Mutation::Unsaid), "{path}");
        }
        assert_eq!(
            Mutation::of("POST", "/mcp"),
            Some(Mutation::Command(Protocol::Mcp))
        );
    }
}
