//! Ways into a JSON value, such as `pull_request.labels.0.name`.

use serde_json::Value;
use std::fmt;

/// A way into a JSON value: the keys of objects and the indices of arrays, joined by dots. The empty way leads to the whole
/// value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Box<[Step]>);

/// Why a text is not a way into a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two dots meet, or a dot is at an end.
    #[error("the path `{0}` has an empty part")]
    EmptyPart(String),
    /// A path into an event that does not say so.
    #[error(
        "the path `{0}` does not begin with `event`; write `event.{0}` for a field of the event"
    )]
    NotOfEvent(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    key: Box<str>,
    index: Option<usize>,
}

impl Path {
    /// Reads `a.b.0`; the empty text is the whole value.
    ///
    /// # Errors
    /// [`Error::EmptyPart`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self(Box::default()));
        }
        if text.split('.').any(str::is_empty) {
            return Err(Error::EmptyPart(text.to_owned()));
        }
        Ok(Self(text.split('.').map(Step::new).collect()))
    }

    /// Reads `event` or `event.a.b`, as filters, conditions and templates name what is in an event.
    ///
    /// # Errors
    /// [`Error::NotOfEvent`] if it begins otherwise, [`Error::EmptyPart`].
    pub fn parse_in_event(text: &str) -> Result<Self, Error> {
        match text.strip_prefix("event") {
            Some("") => Ok(Self(Box::default())),
            Some(rest) => match rest.strip_prefix('.') {
                Some("") => Err(Error::EmptyPart(text.to_owned())),
                Some(inner) => Self::parse(inner),
                None => Err(Error::NotOfEvent(text.to_owned())),
            },
            None => Err(Error::NotOfEvent(text.to_owned())),
        }
    }

    /// The value at the end of the way, if it leads anywhere. Digits are an index in an array and a key in an object.
    #[must_use]
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, step| match value {
            Value::Object(map) => map.get(&*step.key),
            Value::Array(list) => list.get(step.index?),
            _ => None,
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            f.write_str(&step.key)?;
        }
        Ok(())
    }
}

impl Step {
    fn new(key: &str) -> Self {
        let digits = key.bytes().all(|b| b.is_ascii_digit());
        Self {
            key: key.into(),
            index: if digits { key.parse().ok() } else { None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_path_leads_through_objects_and_arrays() {
        let value = json!({"items": [{"id": 7}, {"id": 8}], "by": {"0": "zero"}, "none": null});
        let at = |text: &str| Path::parse_in_event(text).unwrap().find(&value).cloned();
        assert_eq!(at("event.items.1.id"), Some(json!(8)));
        assert_eq!(at("event.by.0"), Some(json!("zero")));
        assert_eq!(at("event.none"), Some(Value::Null));
        assert_eq!(at("event"), Some(value.clone()));
        for nowhere in [
            "event.items.2",
            "event.items.+1",
            "event.items.id",
            "event.none.x",
            "event.no",
        ] {
            assert_eq!(at(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused_with_the_way_to_write_it() {
        for text in ["event.", "event..a", "event.a."] {
            assert!(
                matches!(Path::parse_in_event(text), Err(Error::EmptyPart(_))),
                "{text}"
            );
        }
        let error = Path::parse_in_event("action").unwrap_err().to_string();
        assert!(error.contains("`event.action`"), "{error}");
        assert!(Path::parse_in_event("events.a").is_err());
    }

    proptest! {
        #[test]
        fn a_path_is_written_as_it_was_read(text in "[^.]{1,5}(\\.[^.]{1,5}){0,4}") {
            prop_assert_eq!(Path::parse(&text).unwrap().to_string(), text);
        }
    }
}
