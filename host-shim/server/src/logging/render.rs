//! A line as text and as JSON.
//!
//! Invariant: the only line break is the one at the end, and a text line has no other control character.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use tracing::Level;

use super::line::{Fields, Line};

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &format_args!("{:.6}", self.timestamp))?;
        map.serialize_entry("level", self.level.as_str())?;
        map.serialize_entry("target", &self.target)?;
        map.serialize_entry("message", &self.message)?;
        for (name, value) in self.fields.iter() {
            map.serialize_entry(name, value)?;
        }
        if !self.spans.is_empty() {
            map.serialize_entry("spans", &self.spans)?;
        }
        map.end()
    }
}

/// One JSON object and the line's end.
pub(super) fn json(line: &Line) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    Ok(text)
}

/// `TIME LEVEL span{field="value"}: target: message field="value"` and the line's end.
pub(super) fn text(line: &Line, coloured: bool) -> Result<String, fmt::Error> {
    let mut text = String::new();
    write!(text, "{:.6} ", line.timestamp)?;
    let level = line.level.as_str();
    match coloured {
        true => write!(text, "\u{1b}[{}m{level:>5}\u{1b}[0m ", colour(line.level))?,
        false => write!(text, "{level:>5} ")?,
    }
    for (at, span) in line.spans.iter().enumerate() {
        if at > 0 {
            text.push(':');
        }
        write_span(&mut text, span)?;
    }
    if !line.spans.is_empty() {
        text.push_str(": ");
    }
    write!(text, "{}: {}", Escaped(&line.target), Escaped(&line.message))?;
    write_fields(&mut text, &line.fields)?;
    text.push('\n');
    Ok(text)
}

/// The number of a terminal's colour.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

fn write_fields(text: &mut String, fields: &Fields) -> fmt::Result {
    for (name, value) in fields.iter() {
        text.push(' ');
        write_field(text, name, value)?;
    }
    Ok(())
}

fn write_field(text: &mut String, name: &str, value: &Value) -> fmt::Result {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    match !name.is_empty() && name.bytes().all(is_plain) {
        true => text.push_str(name),
        // A name with a space or an equals sign would pass for several fields.
        false => write!(text, "{}", Quoted(name))?,
    }
    text.push('=');
    match value {
        Value::String(value) => write!(text, "{}", Quoted(value)),
        other => write!(text, "{}", Escaped(&other.to_string())),
    }
}

/// `name{field="value"}`; what a plugin calls a span and is none, as JSON.
fn write_span(text: &mut String, span: &Value) -> fmt::Result {
    let (Value::Object(fields), Some(name)) = (span, span.get("name").and_then(Value::as_str)) else {
        return write!(text, "{}", Escaped(&span.to_string()));
    };
    write!(text, "{}", Escaped(name))?;
    let mut open = '{';
    for (name, value) in fields.iter().filter(|(name, _)| *name != "name") {
        text.push(open);
        open = ' ';
        write_field(text, name, value)?;
    }
    if open != '{' {
        text.push('}');
    }
    Ok(())
}

/// Text in which nothing breaks a line, moves a cursor or turns the direction of reading.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match is_dangerous(c) {
                true => write!(f, "{}", c.escape_default())?,
                false => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The same in quotation marks.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match matches!(c, '"' | '\\') || is_dangerous(c) {
                true => write!(f, "{}", c.escape_default())?,
                false => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

fn is_dangerous(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
