//! What a person reads, line by line.
//!
//! Invariant: every text passes through [`terminal::line`], so nothing that was answered by a host acts on the terminal; colours
//! are added behind that, and only where they are wanted.

use crate::terminal;

/// What a word means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// All is well.
    Good,
    /// Something to look at.
    Doubtful,
    /// Something is wrong.
    Bad,
    /// Nothing to say.
    Faint,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Doubtful => "33",
            Self::Bad => "31",
            Self::Faint => "2",
        }
    }
}

/// A text that grows.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    coloured: bool,
}

impl Page {
    /// An empty one.
    pub(crate) fn new(coloured: bool) -> Self {
        Self {
            text: String::new(),
            coloured,
        }
    }

    /// The whole text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.text.push_str(terminal::line(text.as_ref()).trim_end());
        self.text.push('\n');
    }

    /// Adds a line that begins with a word in a colour.
    pub(crate) fn toned(&mut self, tone: Tone, word: &str, rest: &str) {
        let word = terminal::line(word);
        if self.coloured {
            self.text
                .push_str(&format!("\u{1b}[{}m{word}\u{1b}[0m", tone.code()));
        } else {
            self.text.push_str(&word);
        }
        self.line(rest);
    }

    /// Adds an empty line, unless the text is empty.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Adds names with values, one below the other.
    pub(crate) fn fields(&mut self, fields: &[(&str, String)]) {
        let width = fields.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        for (name, value) in fields {
            self.line(format!("{}  {value}", padded(name, width)));
        }
    }

    /// Adds a table. A cell is in one line; a row that is too short is filled up.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| terminal::line(cell)).collect())
            .collect();
        let widths: Vec<usize> = head
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell));
                cells.max().unwrap_or(0).max(width(name))
            })
            .collect();
        let names: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
        for row in std::iter::once(&names).chain(&rows) {
            let cells: Vec<String> = widths
                .iter()
                .enumerate()
                .map(|(at, width)| padded(row.get(at).map_or("", String::as_str), *width))
                .collect();
            self.line(cells.join("  "));
        }
    }
}

/// Characters, each taken for one column.
fn width(text: &str) -> usize {
    text.chars().count()
}

fn padded(text: &str, width: usize) -> String {
    format!("{text:width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_its_cells_are_harmless() {
        let mut page = Page::new(false);
        page.table(
            &["ID", "STATE"],
            &[
                vec!["1".into(), "done".into()],
                vec!["1234".into(), "\u{1b}[1mx\ny".into()],
                vec!["5".into()],
            ],
        );
        assert_eq!(
            page.into_text(),
            "ID    STATE\n1     done\n1234  \\u{1b}[1mx\\u{a}y\n5\n"
        );
    }

    #[test]
    fn only_our_own_words_are_coloured_and_only_where_wanted() {
        let text = |coloured| {
            let mut page = Page::new(coloured);
            page.gap();
            page.toned(Tone::Bad, "failed", "  \u{1b}[32mok");
            page.gap();
            page.fields(&[("a", "1".into()), ("name", "2".into())]);
            page.into_text()
        };
        assert_eq!(text(false), "failed  \\u{1b}[32mok\n\na     1\nname  2\n");
        assert!(text(true).starts_with("\u{1b}[31mfailed\u{1b}[0m  \\u{1b}[32mok\n"));
    }
}
