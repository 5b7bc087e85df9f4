//! The labels and edge types that the plugin may use, and what each carries.
//!
//! Invariants:
//! - labels are few and fixed: the server holds 64 a database and loses the nodes of any further one without a word;
//! - an edge type fixes the labels of its ends, the names of its properties and the width of its record, so that every edge
//!   of a type has one shape and one width for ever (`contracts/nexus-dialect.md` section 2);
//! - edges are walked from source to target only; what must be walked the other way has a reverse type of its own
//!   (section 4).

/// A label of the graph model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeLabel {
    /// A document of a collection.
    Document,
    /// Something that documents mention.
    Entity,
    /// A field of knowledge that documents belong to.
    Domain,
    /// What chunks are parts of: a file, a page.
    Source,
    /// Scratch nodes: of the probe at connect, and the canary.
    Scratch,
}

impl NodeLabel {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Document,
        Self::Entity,
        Self::Domain,
        Self::Source,
        Self::Scratch,
    ];

    /// The label as it stands in a statement.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Document => "Document",
            Self::Entity => "Entity",
            Self::Domain => "Domain",
            Self::Source => "Source",
            Self::Scratch => "VzProbe",
        }
    }

    /// Properties that are looked up by, so that each needs an index.
    #[must_use]
    pub fn indexed(self) -> &'static [&'static str] {
        match self {
            Self::Document | Self::Scratch => &["key", "bucket", "gc"],
            Self::Entity | Self::Domain | Self::Source => &["key", "gc"],
        }
    }
}

/// An edge type of the graph model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeType {
    /// From a document to one of its nearest neighbours.
    SimilarTo,
    /// From a document to an entity.
    Mentions,
    /// The reverse of [`EdgeType::Mentions`].
    MentionedIn,
    /// From a document to its domain.
    BelongsTo,
    /// From a domain to the one that holds it.
    SubdomainOf,
    /// From a chunk to what it is a part of.
    PartOf,
    /// The reverse of [`EdgeType::PartOf`].
    HasPart,
    /// From a chunk to the following one.
    Next,
    /// Scratch edges of the probe at connect.
    Scratch,
    /// The edge whose record marks how far the server's file was written; see [`super::canary`].
    Canary,
}

impl EdgeType {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SimilarTo,
        Self::Mentions,
        Self::MentionedIn,
        Self::BelongsTo,
        Self::SubdomainOf,
        Self::PartOf,
        Self::HasPart,
        Self::Next,
        Self::Scratch,
        Self::Canary,
    ];

    /// The type as it stands in a statement.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SimilarTo => "SIMILAR_TO",
            Self::Mentions => "MENTIONS",
            Self::MentionedIn => "MENTIONED_IN",
            Self::BelongsTo => "BELONGS_TO",
            Self::SubdomainOf => "SUBDOMAIN_OF",
            Self::PartOf => "PART_OF",
            Self::HasPart => "HAS_PART",
            Self::Next => "NEXT",
            Self::Scratch => "VZ_PROBE",
            Self::Canary => "VZ_CANARY",
        }
    }

    /// The label of the node that owns the edge.
    #[must_use]
    pub fn source(self) -> NodeLabel {
        match self {
            Self::SimilarTo | Self::Mentions | Self::BelongsTo | Self::PartOf | Self::Next => {
                NodeLabel::Document
            }
            Self::MentionedIn => NodeLabel::Entity,
            Self::SubdomainOf => NodeLabel::Domain,
            Self::HasPart => NodeLabel::Source,
            Self::Scratch | Self::Canary => NodeLabel::Scratch,
        }
    }

    /// The label of the node it leads to.
    #[must_use]
    pub fn target(self) -> NodeLabel {
        match self {
            Self::SimilarTo | Self::MentionedIn | Self::HasPart | Self::Next => NodeLabel::Document,
            Self::Mentions => NodeLabel::Entity,
            Self::BelongsTo | Self::SubdomainOf => NodeLabel::Domain,
            Self::PartOf => NodeLabel::Source,
            Self::Scratch | Self::Canary => NodeLabel::Scratch,
        }
    }

    /// The type whose edges lead the other way, where the relation has to be walked backwards.
    #[must_use]
    pub fn reverse(self) -> Option<Self> {
        match self {
            Self::Mentions => Some(Self::MentionedIn),
            Self::MentionedIn => Some(Self::Mentions),
            Self::PartOf => Some(Self::HasPart),
            Self::HasPart => Some(Self::PartOf),
            Self::SimilarTo
            | Self::BelongsTo
            | Self::SubdomainOf
            | Self::Next
            | Self::Scratch
            | Self::Canary => None,
        }
    }

    /// Whether it is the reverse type of another one, which documents own.
    #[must_use]
    pub fn leads_back(self) -> bool {
        matches!(self, Self::MentionedIn | Self::HasPart)
    }

    /// The properties beside `active` and `pad`; the first one is what a neighbourhood read returns as the weight.
    #[must_use]
    pub fn properties(self) -> &'static [&'static str] {
        match self {
            Self::SimilarTo => &["score", "method", "updated_at"],
            Self::Mentions | Self::MentionedIn => &["confidence", "count"],
            Self::BelongsTo => &["confidence"],
            Self::PartOf | Self::HasPart => &["chunk_index"],
            Self::SubdomainOf | Self::Next => &[],
            Self::Scratch => &["value"],
            Self::Canary => &["mark"],
        }
    }

    /// Bytes of every record of this type. Must never be lowered. The canary's is the least: it grows.
    #[must_use]
    pub fn width(self) -> u32 {
        match self {
            Self::SimilarTo => 192,
            Self::Mentions
            | Self::MentionedIn
            | Self::BelongsTo
            | Self::SubdomainOf
            | Self::PartOf
            | Self::HasPart
            | Self::Next
            | Self::Scratch
            | Self::Canary => 96,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reverse_type_leads_back_with_the_same_properties() {
        for kind in EdgeType::ALL {
            let Some(reverse) = kind.reverse() else { continue };
            assert_eq!(reverse.reverse(), Some(kind));
            assert_eq!(
                (reverse.source(), reverse.target()),
                (kind.target(), kind.source())
            );
            assert_eq!(reverse.properties(), kind.properties());
        }
    }

    #[test]
    fn names_are_ones_the_server_can_parse_and_properties_none_that_it_hides() {
        let names = NodeLabel::ALL.map(NodeLabel::name).into_iter();
        for name in names.chain(EdgeType::ALL.map(EdgeType::name)) {
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_alphabetic() || byte == b'_'),
                "{name}"
            );
        }
        for kind in EdgeType::ALL {
            for name in kind.properties() {
                assert!(
                    !["type", "a", "b", "active", "pad"].contains(name) && !name.starts_with('_'),
                    "{name}"
                );
            }
        }
    }
}
