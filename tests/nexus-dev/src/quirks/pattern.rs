//! The patterns of MATCH, MERGE and CREATE as far as the quirks have to know them.
//!
//! Invariant: what is not understood to the last token is `None`, never half a pattern.

use std::ops::Range;

use crate::statement::{Statement, TokenKind};

/// Where a relationship leads, seen from the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `-[]->`
    Outgoing,
    /// `<-[]-`
    Incoming,
    /// `-[]-`
    Either,
}

/// One `name: value` of a map in a pattern; all fields are token places.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: usize,
    pub(crate) value: Range<usize>,
}

/// `(variable:Label {map})`
#[derive(Debug, Clone)]
pub(crate) struct NodePattern {
    /// With its parentheses.
    pub(crate) span: Range<usize>,
    pub(crate) variable: Option<usize>,
    pub(crate) labels: Vec<usize>,
    pub(crate) entries: Vec<Entry>,
}

/// `-[variable:TYPE|TYPE*range {map}]->`
#[derive(Debug, Clone)]
pub(crate) struct Hop {
    /// With its arrows.
    pub(crate) span: Range<usize>,
    pub(crate) variable: Option<usize>,
    pub(crate) types: Vec<usize>,
    /// Behind and with the `*`.
    pub(crate) range: Option<Range<usize>>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) direction: Direction,
}

/// Nodes and the hops between them.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) nodes: Vec<NodePattern>,
    pub(crate) hops: Vec<Hop>,
}

/// The comma-separated paths of a clause.
pub(crate) fn paths(statement: &Statement<'_>, body: &Range<usize>) -> Option<Vec<Path>> {
    let mut reader = Reader {
        statement,
        at: body.start,
        end: body.end,
    };
    let mut paths = vec![reader.path()?];
    while reader.symbol(',') {
        paths.push(reader.path()?);
    }
    (reader.at == reader.end).then_some(paths)
}

impl Hop {
    /// Whether its range is `*1..1`.
    pub(crate) fn is_single_range(&self, statement: &Statement<'_>) -> bool {
        self.range.as_ref().is_some_and(|range| {
            let texts: String = statement.tokens()[range.clone()]
                .iter()
                .map(|token| statement.text(token))
                .collect();
            texts == "*1..1"
        })
    }
}

struct Reader<'s, 'a> {
    statement: &'s Statement<'a>,
    at: usize,
    end: usize,
}

impl Reader<'_, '_> {
    fn peek(&self, ahead: usize, symbol: char) -> bool {
        self.at + ahead < self.end && self.statement.is_symbol(self.at + ahead, symbol)
    }

    fn symbol(&mut self, symbol: char) -> bool {
        let found = self.peek(0, symbol);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self) -> Option<usize> {
        let at = self.at;
        let token = self.statement.tokens().get(at).filter(|_| at < self.end)?;
        (token.kind == TokenKind::Word).then(|| {
            self.at += 1;
            at
        })
    }

    fn path(&mut self) -> Option<Path> {
        let mut path = Path {
            nodes: vec![self.node()?],
            hops: Vec::new(),
        };
        while self.peek(0, '-') || self.peek(0, '<') {
            path.hops.push(self.hop()?);
            path.nodes.push(self.node()?);
        }
        Some(path)
    }

    fn node(&mut self) -> Option<NodePattern> {
        let start = self.at;
        if !self.symbol('(') {
            return None;
        }
        let variable = self.word();
        let mut labels = Vec::new();
        while self.symbol(':') {
            labels.push(self.word()?);
        }
        let entries = self.map()?;
        self.symbol(')').then_some(NodePattern {
            span: start..self.at,
            variable,
            labels,
            entries,
        })
    }

    fn hop(&mut self) -> Option<Hop> {
        let start = self.at;
        let incoming = self.symbol('<');
        if !self.symbol('-') {
            return None;
        }
        let (mut variable, mut types, mut range, mut entries) = (None, Vec::new(), None, Vec::new());
        if self.symbol('[') {
            variable = self.word();
            if self.symbol(':') {
                types.push(self.word()?);
                while self.symbol('|') {
                    self.symbol(':');
                    types.push(self.word()?);
                }
            }
            if self.peek(0, '*') {
                let from = self.at;
                while self.at < self.end && !self.peek(0, ']') && !self.peek(0, '{') {
                    self.at += 1;
                }
                range = Some(from..self.at);
            }
            entries = self.map()?;
            if !self.symbol(']') {
                return None;
            }
        }
        if !self.symbol('-') {
            return None;
        }
        let outgoing = self.symbol('>');
        let direction = match (incoming, outgoing) {
            (true, false) => Direction::Incoming,
            (false, true) => Direction::Outgoing,
            _ => Direction::Either,
        };
        Some(Hop {
            span: start..self.at,
            variable,
            types,
            range,
            entries,
            direction,
        })
    }

    /// A map, or nothing.
    fn map(&mut self) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        if !self.symbol('{') {
            return Some(entries);
        }
        if self.symbol('}') {
            return Some(entries);
        }
        loop {
            let name = self.word()?;
            if !self.symbol(':') {
                return None;
            }
            let start = self.at;
            let mut depth = 0_usize;
            while self.at < self.end {
                match self.statement.tokens()[self.at].kind {
                    TokenKind::Symbol('(' | '[' | '{') => depth += 1,
                    TokenKind::Symbol('}' | ',') if depth == 0 => break,
                    TokenKind::Symbol(')' | ']' | '}') => depth = depth.saturating_sub(1),
                    _ => {}
                }
                self.at += 1;
            }
            entries.push(Entry {
                name,
                value: start..self.at,
            });
            if self.symbol('}') {
                return Some(entries);
            }
            if !self.symbol(',') {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Option<Vec<Path>> {
        let statement = Statement::parse(source).unwrap();
        paths(&statement, &(0..statement.tokens().len()))
    }

    #[test]
    fn a_path_is_read_with_all_its_parts() {
        let statement =
            Statement::parse("(a:D:E {k: row.k, n: [1, 2]})<-[r:T|U*1..1]-(), (c)-->(d)-[{x: 1}]-()")
                .unwrap();
        let paths = paths(&statement, &(0..statement.tokens().len())).unwrap();
        let text = |at: usize| statement.text(&statement.tokens()[at]);
        let (node, hop) = (&paths[0].nodes[0], &paths[0].hops[0]);
        assert_eq!(
            node.labels.iter().map(|at| text(*at)).collect::<Vec<_>>(),
            ["D", "E"]
        );
        assert_eq!(
            node.entries.iter().map(|e| text(e.name)).collect::<Vec<_>>(),
            ["k", "n"]
        );
        assert_eq!((hop.direction, hop.types.len()), (Direction::Incoming, 2));
        assert!(hop.is_single_range(&statement));
        assert_eq!(paths[0].nodes[1].variable, None);
        let second: Vec<_> = paths[1].hops.iter().map(|hop| hop.direction).collect();
        assert_eq!(second, [Direction::Outgoing, Direction::Either]);
    }

    #[test]
    fn what_is_no_simple_path_is_not_read() {
        for source in [
            "((x)-[r]->(y)){1,2}(b)",
            "p = (a)-->(b)",
            "(a)-[r",
            "(a {k})",
            "(a) x",
        ] {
            let statement = Statement::parse(source);
            assert!(statement.is_err() || read(source).is_none(), "{source}");
        }
    }
}
