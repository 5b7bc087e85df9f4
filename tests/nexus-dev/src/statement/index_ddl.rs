//! Index declarations. The engine wants a name and knows no `ON :Label(property)`, so they never reach it as text.
//!
//! Accepted, in any case:
//! * `CREATE INDEX [name] [IF NOT EXISTS] FOR (n:Label) ON (n.property)`
//! * `CREATE INDEX [name] [IF NOT EXISTS] ON :Label(property)`
//! * `DROP INDEX [IF EXISTS] ON :Label(property)`
//!
//! `SHOW INDEXES` is a syntax error on Nexus, and here too: the engine would answer an empty list.

use super::error::CypherError;
use super::{Statement, TokenKind};

/// What to do with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexAction {
    /// Declare it; an existing one is an error unless tolerated.
    Create,
    /// Forget it; an absent one is an error unless tolerated.
    Drop,
}

/// One parsed index statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexStatement {
    pub(crate) action: IndexAction,
    pub(crate) label: String,
    pub(crate) property: String,
    /// `IF NOT EXISTS` or `IF EXISTS` was given.
    pub(crate) tolerant: bool,
}

/// Reads an index statement; `None` when the statement is not one.
///
/// # Errors
/// [`CypherError::Syntax`] when it begins like one and goes on differently.
pub(crate) fn parse(statement: &Statement<'_>) -> Result<Option<IndexStatement>, CypherError> {
    if statement.is_word(0, "SHOW") && ["INDEX", "INDEXES"].iter().any(|word| statement.is_word(1, word)) {
        return Err(statement.syntax_error(1, "Indexes cannot be listed"));
    }
    let action = match () {
        () if !statement.is_word(1, "INDEX") => return Ok(None),
        () if statement.is_word(0, "CREATE") => IndexAction::Create,
        () if statement.is_word(0, "DROP") => IndexAction::Drop,
        () => return Ok(None),
    };
    let mut reader = Reader { statement, at: 2 };
    let keyword_next = ["IF", "FOR", "ON"].iter().any(|word| statement.is_word(2, word));
    if action == IndexAction::Create && !keyword_next {
        reader.name()?;
    }
    let tolerant = reader.accept("IF");
    if tolerant {
        if action == IndexAction::Create {
            reader.keyword("NOT")?;
        }
        reader.keyword("EXISTS")?;
    }
    let (label, property) = if action == IndexAction::Create && reader.accept("FOR") {
        reader.pattern()?
    } else {
        reader.short_form()?
    };
    if reader.at < statement.tokens.len() {
        return Err(statement.syntax_error(reader.at, "Unexpected input behind the index"));
    }
    Ok(Some(IndexStatement {
        action,
        label,
        property,
        tolerant,
    }))
}

struct Reader<'s, 'a> {
    statement: &'s Statement<'a>,
    at: usize,
}

impl Reader<'_, '_> {
    fn accept(&mut self, word: &str) -> bool {
        let found = self.statement.is_word(self.at, word);
        self.at += usize::from(found);
        found
    }

    fn keyword(&mut self, word: &str) -> Result<(), CypherError> {
        if self.accept(word) {
            return Ok(());
        }
        Err(self
            .statement
            .syntax_error(self.at, &format!("Expected keyword '{word}'")))
    }

    fn symbol(&mut self, symbol: char) -> Result<(), CypherError> {
        if self.statement.is_symbol(self.at, symbol) {
            self.at += 1;
            return Ok(());
        }
        Err(self
            .statement
            .syntax_error(self.at, &format!("Expected '{symbol}'")))
    }

    fn name(&mut self) -> Result<String, CypherError> {
        match self.statement.tokens.get(self.at) {
            Some(token) if token.kind == TokenKind::Word => {
                self.at += 1;
                Ok(self.statement.text(token).to_string())
            }
            _ => Err(self.statement.syntax_error(self.at, "Expected identifier")),
        }
    }

    /// `(n:Label) ON (n.property)`, behind `FOR`.
    fn pattern(&mut self) -> Result<(String, String), CypherError> {
        self.symbol('(')?;
        let variable = self.name()?;
        self.symbol(':')?;
        let label = self.name()?;
        self.symbol(')')?;
        self.keyword("ON")?;
        self.symbol('(')?;
        let owner = self.at;
        if self.name()? != variable {
            return Err(self
                .statement
                .syntax_error(owner, &format!("Expected '{variable}'")));
        }
        self.symbol('.')?;
        let property = self.name()?;
        self.symbol(')')?;
        Ok((label, property))
    }

    /// `ON :Label(property)`.
    fn short_form(&mut self) -> Result<(String, String), CypherError> {
        self.keyword("ON")?;
        self.symbol(':')?;
        let label = self.name()?;
        self.symbol('(')?;
        let property = self.name()?;
        self.symbol(')')?;
        Ok((label, property))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Result<Option<IndexStatement>, CypherError> {
        parse(&Statement::parse(source).unwrap())
    }

    fn index(action: IndexAction, tolerant: bool) -> Option<IndexStatement> {
        Some(IndexStatement {
            action,
            label: "Document".into(),
            property: "key".into(),
            tolerant,
        })
    }

    #[test]
    fn all_forms_name_the_same_index() {
        let create = IndexAction::Create;
        assert_eq!(
            read("CREATE INDEX FOR (n:Document) ON (n.key)").unwrap(),
            index(create, false)
        );
        assert_eq!(
            read("create index if not exists for (n:Document) on (n.key);").unwrap(),
            index(create, true)
        );
        assert_eq!(
            read("CREATE INDEX doc_key FOR (n:Document) ON (n.key)").unwrap(),
            index(create, false)
        );
        assert_eq!(
            read("CREATE INDEX IF NOT EXISTS ON :Document(key)").unwrap(),
            index(create, true)
        );
        assert_eq!(
            read("DROP INDEX IF EXISTS ON :Document(key)").unwrap(),
            index(IndexAction::Drop, true)
        );
    }

    #[test]
    fn other_statements_are_left_alone() {
        assert_eq!(read("CREATE (n:Index {key: 1})").unwrap(), None);
        assert_eq!(read("MATCH (index) RETURN index").unwrap(), None);
    }

    #[test]
    fn a_broken_index_statement_is_a_syntax_error() {
        for source in [
            "CREATE INDEX FOR (n:Document) ON (m.key)",
            "CREATE INDEX FOR (n:Document) ON (n.key, n.rev)",
            "CREATE INDEX FOR (n) ON (n.key)",
            "CREATE INDEX IF EXISTS ON :Document(key)",
            "DROP INDEX doc_key",
            "SHOW INDEXES",
            "CREATE INDEX FOR (n:Document) ON (n.key) RETURN 1",
        ] {
            assert!(
                matches!(read(source), Err(CypherError::Syntax { .. })),
                "{source}"
            );
        }
    }
}
