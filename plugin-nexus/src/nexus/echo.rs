//! What a server says, without what it was sent.
//!
//! A refusal may quote the values of its statement, and those are texts of documents, which are in no log line, no metric and no dead
//! letter. So words of a message that stand in the statement's values in the same order are blanked: two and more, or one that is a value
//! by itself. Names that the plugin gave, as keys, stay.

use std::collections::HashMap;

use serde_json::Value;

use super::error::NexusError;
use crate::sync::is_reserved_property;

/// The properties of a record among a statement's parameters.
const PROPERTIES: &str = "props";
const BLANK: &str = "[…]";
/// Texts that are looked at: a statement holds more only where a batch is large, and its refusal quotes one of them.
const MOST_TEXTS: usize = 100_000;

impl NexusError {
    /// The error without what its message quotes of a statement with these parameters.
    pub(super) fn without_echo(mut self, params: &Value) -> Self {
        let message = match &mut self {
            Self::Server { message, .. }
            | Self::NotUnderstood { message, .. }
            | Self::Rejected { message, .. } => message,
            Self::BadAnswer { what, .. } => what,
            Self::Setup { .. }
            | Self::Unreachable { .. }
            | Self::SessionEnded
            | Self::Unsettled
            | Self::TimedOut { .. }
            | Self::Interrupted { .. }
            | Self::Overloaded { .. }
            | Self::Paused { .. }
            | Self::Unauthorised { .. }
            | Self::MissingEndpoint { .. }
            | Self::AnswerTooLarge { .. }
            | Self::RequestTooLarge { .. } => return self,
        };
        let mut texts = Vec::new();
        collect(params, false, &mut texts);
        *message = blanked(message, &texts);
        self
    }
}

/// The texts among properties that are not the plugin's own.
fn collect<'a>(value: &'a Value, is_property: bool, texts: &mut Vec<&'a str>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                if !(is_property && is_reserved_property(name)) {
                    collect(value, is_property || name == PROPERTIES, texts);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, is_property, texts)),
        Value::String(text) if is_property && texts.len() < MOST_TEXTS => texts.push(text),
        _ => {}
    }
}

/// The words of a text: where each begins, and what it is.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (begin, c.is_alphanumeric()) {
            (None, true) => begin = Some(at),
            (Some(from), false) => {
                words.push((from, &text[from..at]));
                begin = None;
            }
            _ => {}
        }
    }
    words
}

fn blanked(message: &str, texts: &[&str]) -> String {
    let said = words(message);
    let sent: Vec<Vec<(usize, &str)>> = texts.iter().map(|text| words(text)).collect();
    let mut places: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
    for (text, words) in sent.iter().enumerate() {
        for (at, (_, word)) in words.iter().enumerate() {
            places.entry(word).or_default().push((text, at));
        }
    }
    let mut hidden = vec![false; said.len()];
    for (at, (_, word)) in said.iter().enumerate() {
        for (text, from) in places.get(word).into_iter().flatten() {
            let rest = &sent[*text][*from..];
            let same = said[at..]
                .iter()
                .zip(rest)
                .take_while(|(one, other)| one.1 == other.1);
            let run = same.count();
            // The last word of a message that was cut off may be the beginning of one.
            let cut = at + run + 1 == said.len()
                && rest
                    .get(run)
                    .is_some_and(|next| next.1.starts_with(said[at + run].1));
            if run > 1 || run == sent[*text].len() || cut {
                hidden[at..at + run + usize::from(cut)].fill(true);
            }
        }
    }
    let mut clean = String::with_capacity(message.len());
    let mut end = 0;
    for ((from, word), is_hidden) in said.iter().zip(hidden) {
        clean.push_str(&message[end..*from]);
        clean.push_str(if is_hidden { BLANK } else { word });
        end = from + word.len();
    }
    clean.push_str(&message[end..]);
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rejected(message: &str, params: &Value) -> String {
        let error = NexusError::Rejected {
            statement: "upsert_nodes",
            message: message.to_owned(),
        };
        match error.without_echo(params) {
            NexusError::Rejected { message, .. } => message,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_was_sent_is_not_quoted_and_what_went_wrong_is() {
        let params = json!({"rows": [{"key": "c/d1", "props": {
            "title": "The annual report of Acme", "author": "Smith", "vector_id": "d1", "tags": ["very secret"],
        }}]});
        for (message, clean) in [
            (
                "Type mismatch: 'The annual report of Acme' is no number",
                "Type mismatch: '[…] […] […] […] […]' is no number",
            ),
            ("row c/d1: bad value Smith", "row c/d1: bad value […]"),
            ("row d1: annual report", "row d1: […] […]"),
            ("cut off in The ann", "cut off in […] […]"),
            ("the report of a parse error", "the […] […] a parse error"),
            ("Parse error", "Parse error"),
            ("bad: [\"very secret\"]", "bad: [\"[…] […]\"]"),
        ] {
            assert_eq!(rejected(message, &params), clean);
        }
    }

    proptest! {
        #[test]
        fn no_value_is_left_in_a_message_that_quotes_it(
            value in "[a-zA-Z0-9äß]{1,12}([ ,.'\"-][a-zA-Z0-9äß]{1,12}){0,6}",
            before in "[ -~]{0,40}",
            after in "[ -~]{0,40}",
        ) {
            let message = format!("{before} {value} {after}");
            let clean = rejected(&message, &json!({"rows": [{"props": {"title": value}}]}));
            prop_assert!(!clean.contains(&value), "{}", clean);
        }
    }
}
