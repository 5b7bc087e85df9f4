//! The query of a request, read strictly: a parameter that nobody knows or that comes twice is a fault, so that a
//! misspelt filter does not select everything.

use std::collections::BTreeMap;

use super::ApiError;

/// The parameters of a query.
#[derive(Debug)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query that may have the parameters `known`.
    pub(crate) fn parse(query: &str, known: &[&str]) -> Result<Self, ApiError> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let reason = format!("unknown parameter; known are {}", known.join(", "));
                return Err(ApiError::field(&name, reason));
            }
            if parameters.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(ApiError::field(&name, "is given twice"));
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter that may be missing but not be empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.0.get(name).map(String::as_str) {
            Some("") => Err(ApiError::field(name, "must not be empty")),
            found => Ok(found),
        }
    }

    /// A parameter that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?
            .ok_or_else(|| ApiError::field(name, "is missing"))
    }

    /// A whole number from 1 to `most`.
    pub(crate) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| (1..=most).contains(number))
            .ok_or_else(|| ApiError::field(name, format!("must be a whole number from 1 to {most}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn parameters_are_decoded_and_checked() {
        let query = Query::parse("a=x%20y%2Fz&b=7&c=", &["a", "b", "c"]).unwrap();
        assert_eq!(query.required("a").unwrap(), "x y/z");
        assert_eq!(query.count("b", 1, 7).unwrap(), 7);
        assert_eq!(query.count("d", 5, 7).unwrap(), 5);
        assert_eq!(query.text("d").unwrap(), None);
        assert_eq!(fault(query.text("c")), "c: must not be empty");
        assert_eq!(fault(query.required("d")), "d: is missing");
        for (name, most) in [("a", 9), ("b", 6)] {
            let text = fault(query.count(name, 1, most));
            assert_eq!(text, format!("{name}: must be a whole number from 1 to {most}"));
        }
        assert_eq!(fault(Query::parse("a=1&a=2", &["a"])), "a: is given twice");
        assert_eq!(
            fault(Query::parse("colection=1", &["collection", "limit"])),
            "colection: unknown parameter; known are collection, limit"
        );
    }
}
