//! Reading a JSON document so that every refusal names the place, what was found there, and what is allowed.

mod words;

pub(crate) use words::{Shown, nearest, shorten, unknown};

use serde_json::{Map, Value};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is longer than is read.
    #[error("the document is {size} bytes long, and at most {max} are read")]
    TooLarge {
        /// Its length in bytes.
        size: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// It is not JSON.
    #[error("the document is not JSON: {0}")]
    Syntax(String),
    /// Something in it cannot be taken.
    #[error("{path}: {problem}")]
    Invalid {
        /// Where, such as `trigger.auth.scheme`; `manifest` for the document itself.
        path: String,
        /// What was found, and what is allowed.
        problem: String,
    },
    /// A name cannot be one.
    #[error(transparent)]
    Name(#[from] crate::name::Error),
}

/// How strictly a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Keys that nobody reads are kept, and a number or a truth value may be written as a string.
    Older,
    /// A key that nobody reads is refused: it is a mistake that would go unnoticed.
    Strict,
}

/// A value in a document, with the way to it.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    path: String,
    form: Form,
}

/// An object in a document.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    map: &'a Map<String, Value>,
    path: String,
    form: Form,
}

impl<'a> Node<'a> {
    pub(crate) fn root(value: &'a Value, path: &str, form: Form) -> Self {
        Self {
            value,
            path: path.to_owned(),
            form,
        }
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// A refusal of this value for a reason that says all there is to say.
    pub(crate) fn refuse(&self, problem: impl Display) -> Error {
        let path = if self.path.is_empty() {
            "manifest"
        } else {
            &self.path
        };
        Error::Invalid {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }

    /// A refusal that shows the value and says what would do.
    pub(crate) fn expected(&self, what: impl Display) -> Error {
        self.refuse(format_args!(
            "found {}; {what} is needed",
            Shown(self.value)
        ))
    }

    pub(crate) fn object(&self) -> Result<Object<'a>, Error> {
        match self.value {
            Value::Object(map) => Ok(Object {
                map,
                path: self.path.clone(),
                form: self.form,
            }),
            _ => Err(self.expected("an object")),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<Self>, Error> {
        match self.value {
            Value::Array(list) => Ok(list
                .iter()
                .enumerate()
                .map(|(i, value)| Self {
                    value,
                    path: format!("{}[{i}]", self.path),
                    form: self.form,
                })
                .collect()),
            _ => Err(self.expected("a list")),
        }
    }

    /// A list, or one value that stands for a list of one.
    pub(crate) fn one_or_many(&self) -> Result<Vec<Self>, Error> {
        if self.value.is_array() {
            self.list()
        } else {
            Ok(vec![self.clone()])
        }
    }

    /// A string that is not blank.
    pub(crate) fn text(&self) -> Result<&'a str, Error> {
        match self.value.as_str() {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.expected("a string that is not blank")),
        }
    }

    /// A string, possibly empty, or a number or truth value as its text.
    pub(crate) fn scalar(&self) -> Result<String, Error> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            _ => Err(self.expected("a string, a number or a truth value")),
        }
    }

    pub(crate) fn truth(&self) -> Result<bool, Error> {
        match self.value {
            Value::Bool(truth) => Ok(*truth),
            Value::String(text) if self.form == Form::Older => match text.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(self.expected("`true` or `false`")),
            },
            _ => Err(self.expected("true or false")),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&self, bounds: RangeInclusive<u64>) -> Result<u64, Error> {
        let number = match self.value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) if self.form == Form::Older => text.parse().ok(),
            _ => None,
        };
        number.filter(|n| bounds.contains(n)).ok_or_else(|| {
            self.expected(format_args!(
                "a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            ))
        })
    }

    /// A number within bounds.
    pub(crate) fn number(&self, bounds: RangeInclusive<f64>) -> Result<f64, Error> {
        let number = match self.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) if self.form == Form::Older => text.parse().ok(),
            _ => None,
        };
        number.filter(|n| bounds.contains(n)).ok_or_else(|| {
            self.expected(format_args!(
                "a number from {} to {}",
                bounds.start(),
                bounds.end()
            ))
        })
    }

    /// A number of seconds within bounds; a fraction is allowed.
    pub(crate) fn seconds(&self, bounds: RangeInclusive<f64>) -> Result<Duration, Error> {
        let allowed = || {
            self.expected(format_args!(
                "a number of seconds from {} to {}",
                bounds.start(),
                bounds.end()
            ))
        };
        let seconds = self.number(bounds.clone()).map_err(|_| allowed())?;
        Duration::try_from_secs_f64(seconds).map_err(|_| allowed())
    }

    /// One of a few words; `what` names their kind.
    pub(crate) fn word<T: Copy>(&self, what: &str, known: &[(&str, T)]) -> Result<T, Error> {
        let text = self.text()?;
        match known.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let known: Vec<_> = known.iter().map(|(word, _)| *word).collect();
                Err(self.refuse(unknown(what, text, &known)))
            }
        }
    }
}

impl<'a> Object<'a> {
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// The value of a key, `null` if it is not there.
    pub(crate) fn node(&self, key: &str) -> Node<'a> {
        static NULL: Value = Value::Null;
        Node {
            value: self.map.get(key).unwrap_or(&NULL),
            path: child(&self.path, key),
            form: self.form,
        }
    }

    /// The value of a key. `null` is as good as not there.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        Some(self.node(key)).filter(|node| !node.value.is_null())
    }

    /// What is read from the value of a key, if it is there.
    pub(crate) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Node<'a>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.get(key).map(|node| read(&node)).transpose()
    }

    pub(crate) fn require(&self, key: &str, what: &str) -> Result<Node<'a>, Error> {
        self.get(key).ok_or_else(|| {
            self.node(key)
                .refuse(format_args!("missing; {what} is needed"))
        })
    }

    /// All keys with their values, in the document's order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.map.iter().map(|(key, value)| {
            (
                key.as_str(),
                Node {
                    value,
                    path: child(&self.path, key),
                    form: self.form,
                },
            )
        })
    }

    /// Refuses keys that are not known, where they are refused at all.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Error> {
        match self.map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) if self.form == Form::Strict => {
                Err(self.node(key).refuse(unknown("key", key, known)))
            }
            _ => Ok(()),
        }
    }
}

fn child(path: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{}\"]", shorten(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_names_the_place_the_value_and_what_is_allowed() {
        let document = json!({"a": {"b c": [1, {"d": 500}]}});
        let a = Node::root(&document, "", Form::Strict)
            .object()
            .unwrap()
            .node("a");
        let list = a
            .object()
            .unwrap()
            .require("b c", "a list")
            .unwrap()
            .list()
            .unwrap();
        let d = list[1].object().unwrap().node("d");
        assert_eq!(
            d.whole(1..=10).unwrap_err().to_string(),
            "a[\"b c\"][1].d: found 500; a whole number from 1 to 10 is needed"
        );
        assert_eq!(
            list[0].text().unwrap_err().to_string(),
            "a[\"b c\"][0]: found 1; a string that is not blank is needed"
        );
    }

    #[test]
    fn an_older_document_may_write_numbers_as_strings_and_a_strict_one_may_not() {
        let (seven, yes) = (json!("7"), json!("true"));
        for (form, taken) in [(Form::Older, true), (Form::Strict, false)] {
            assert_eq!(Node::root(&seven, "n", form).whole(1..=9).is_ok(), taken);
            assert_eq!(
                Node::root(&seven, "n", form).number(1.0..=9.0).is_ok(),
                taken
            );
            assert_eq!(Node::root(&yes, "t", form).truth().is_ok(), taken);
        }
        assert!(
            Node::root(&json!("NaN"), "n", Form::Older)
                .number(0.0..=9.0)
                .is_err()
        );
    }
}
