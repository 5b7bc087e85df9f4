//! The query of a request, read strictly: a parameter that nobody knows or that comes twice is a fault, so that a
//! misspelt filter does not select everything.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ApiError;

/// A parameter of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) about: &'static str,
    pub(crate) kind: Kind,
}

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text, not empty.
    Text,
    /// A text that must be there.
    Required,
    /// A whole number from 1 to the most.
    Count { default: usize, most: usize },
    /// `true` or `false`.
    Flag,
}

impl Parameter {
    pub(crate) const fn text(name: &'static str, about: &'static str) -> Self {
        let kind = Kind::Text;
        Self { name, about, kind }
    }

    pub(crate) const fn required(name: &'static str, about: &'static str) -> Self {
        let kind = Kind::Required;
        Self { name, about, kind }
    }

    pub(crate) const fn count(name: &'static str, about: &'static str, default: usize, most: usize) -> Self {
        let kind = Kind::Count { default, most };
        Self { name, about, kind }
    }

    pub(crate) const fn flag(name: &'static str, about: &'static str) -> Self {
        let kind = Kind::Flag;
        Self { name, about, kind }
    }

    /// As a parameter of OpenAPI.
    pub(super) fn described(&self) -> Value {
        let schema = match self.kind {
            Kind::Text | Kind::Required => json!({"type": "string", "minLength": 1}),
            Kind::Count { default, most } => {
                json!({"type": "integer", "minimum": 1, "maximum": most, "default": default})
            }
            Kind::Flag => json!({"type": "boolean", "default": false}),
        };
        json!({
            "name": self.name,
            "in": "query",
            "description": self.about,
            "required": self.kind == Kind::Required,
            "schema": schema,
        })
    }
}

/// The parameters of a query.
#[derive(Debug)]
pub(crate) struct Query {
    given: BTreeMap<String, String>,
    known: &'static [Parameter],
}

impl Query {
    /// Reads a query that may have the parameters `known`.
    pub(crate) fn parse(query: &str, known: &'static [Parameter]) -> Result<Self, ApiError> {
        let mut given = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !known.iter().any(|parameter| parameter.name == name) {
                let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
                let reason = match names.as_slice() {
                    [] => "unknown parameter; there are none".to_owned(),
                    names => format!("unknown parameter; known are {}", names.join(", ")),
                };
                return Err(ApiError::field(&name, reason));
            }
            if given.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(ApiError::field(&name, "is given twice"));
            }
        }
        Ok(Self { given, known })
    }

    /// A parameter that may be missing but not be empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.given.get(name).map(String::as_str) {
            Some("") => Err(ApiError::field(name, "must not be empty")),
            found => Ok(found),
        }
    }

    /// A parameter that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?
            .ok_or_else(|| ApiError::field(name, "is missing"))
    }

    /// A whole number, within the bounds of the parameter.
    pub(crate) fn count(&self, name: &str) -> Result<usize, ApiError> {
        let bounds = self.known.iter().find(|parameter| parameter.name == name);
        let Some(Kind::Count { default, most }) = bounds.map(|parameter| parameter.kind) else {
            return Err(ApiError::field(name, "is no number"));
        };
        let Some(text) = self.text(name)? else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| (1..=most).contains(number))
            .ok_or_else(|| ApiError::field(name, format!("must be a whole number from 1 to {most}")))
    }

    /// Whether a flag is given as true.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::field(name, "must be true or false")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Parameter] = &[
        Parameter::text("a", ""),
        Parameter::count("b", "", 1, 7),
        Parameter::text("c", ""),
        Parameter::count("d", "", 5, 7),
        Parameter::flag("e", ""),
    ];

    fn fault<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn parameters_are_decoded_and_checked() {
        let query = Query::parse("a=x%20y%2Fz&b=7&c=&e=true", KNOWN).unwrap();
        assert_eq!(query.required("a").unwrap(), "x y/z");
        assert_eq!(query.count("b").unwrap(), 7);
        assert_eq!(query.count("d").unwrap(), 5);
        assert_eq!(query.text("d").unwrap(), None);
        assert!(query.flag("e").unwrap());
        assert_eq!(fault(query.text("c")), "c: must not be empty");
        assert_eq!(fault(query.required("d")), "d: is missing");
        for text in ["b=8", "b=0", "b=x", "b=-1", "b=1.5"] {
            let query = Query::parse(text, KNOWN).unwrap();
            assert_eq!(fault(query.count("b")), "b: must be a whole number from 1 to 7");
        }
        let query = Query::parse("e=1", KNOWN).unwrap();
        assert_eq!(fault(query.flag("e")), "e: must be true or false");
        assert_eq!(fault(Query::parse("a=1&a=2", KNOWN)), "a: is given twice");
        assert_eq!(
            fault(Query::parse("colection=1", KNOWN)),
            "colection: unknown parameter; known are a, b, c, d, e"
        );
    }
}
