//! Reading a JSON document so that every refusal names the place, what was found there, and what is allowed.

use serde_json::{Map, Value};
use std::fmt::{self, Display};
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
        Self { value, path: path.to_owned(), form }
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// A refusal of this value for a reason that says all there is to say.
    pub(crate) fn refuse(&self, problem: impl Display) -> Error {
        let path = if self.path.is_empty() { "manifest" } else { &self.path };
        Error::Invalid { path: path.to_owned(), problem: problem.to_string() }
    }

    /// A refusal that shows the value and says what would do.
    pub(crate) fn expected(&self, what: impl Display) -> Error {
        self.refuse(format_args!("found {}; {what} is needed", Shown(self.value)))
    }

    pub(crate) fn object(&self) -> Result<Object<'a>, Error> {
        match self.value {
            Value::Object(map) => Ok(Object { map, path: self.path.clone(), form: self.form }),
            _ => Err(self.expected("an object")),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<Self>, Error> {
        match self.value {
            Value::Array(list) => Ok(list
                .iter()
                .enumerate()
                .map(|(i, value)| Self { value, path: format!("{}[{i}]", self.path), form: self.form })
                .collect()),
            _ => Err(self.expected("a list")),
        }
    }

    /// A list, or one value that stands for a list of one.
    pub(crate) fn one_or_many(&self) -> Result<Vec<Self>, Error> {
        if self.value.is_array() { self.list() } else { Ok(vec![self.clone()]) }
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
            self.expected(format_args!("a whole number from {} to {}", bounds.start(), bounds.end()))
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
            self.expected(format_args!("a number from {} to {}", bounds.start(), bounds.end()))
        })
    }

    /// A number of seconds within bounds; a fraction is allowed.
    pub(crate) fn seconds(&self, bounds: RangeInclusive<f64>) -> Result<Duration, Error> {
        let allowed = || {
            self.expected(format_args!("a number of seconds from {} to {}", bounds.start(), bounds.end()))
        };
        let seconds = self.number(bounds.clone()).map_err(|_| allowed())?;
        Duration::try_from_secs_f64(seconds).map_err(|_| allowed())
    }

    /// One of a few words; `what` names their kind.
    pub(crate) fn word<T: Copy>(&self, what: &str, known: &[(&str, T)]) -> Result<T, Error> {
        let text = self.text()?;
        match known.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(*meaning),
            None => Err(self.refuse(Unknown { what, word: text, known: known.iter().map(|(word, _)| *word) })),
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
        Node { value: self.map.get(key).unwrap_or(&NULL), path: child(&self.path, key), form: self.form }
    }

    /// The value of a key. `null` is as good as not there.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        Some(self.node(key)).filter(|node| !node.value.is_null())
    }

    pub(crate) fn require(&self, key: &str, what: &str) -> Result<Node<'a>, Error> {
        self.get(key).ok_or_else(|| self.node(key).refuse(format_args!("missing; {what} is needed")))
    }

    /// All keys with their values, in the document's order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.map.iter().map(|(key, value)| {
            (key.as_str(), Node { value, path: child(&self.path, key), form: self.form })
        })
    }

    /// Refuses keys that are not known, where they are refused at all.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Error> {
        match self.map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) if self.form == Form::Strict => {
                Err(self.node(key).refuse(Unknown { what: "key", word: key, known: known.iter().copied() }))
            }
            _ => Ok(()),
        }
    }
}

/// A value as a message shows it: JSON between backticks, a string bare, cut short when long.
pub(crate) struct Shown<'a>(pub(crate) &'a Value);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => write!(f, "`{}`", shorten(text)),
            Value::Object(_) => f.write_str("an object"),
            Value::Array(_) => f.write_str("a list"),
            other => write!(f, "{other}"),
        }
    }
}

/// What is said of a word that is not among the known ones.
pub(crate) struct Unknown<'a, I> {
    pub(crate) what: &'a str,
    pub(crate) word: &'a str,
    pub(crate) known: I,
}

impl<'a, I: Iterator<Item = &'a str> + Clone> Display for Unknown<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = self.known.clone().collect();
        write!(f, "unknown {} `{}`; known: {}", self.what, shorten(self.word), known.join(", "))?;
        match nearest(self.word, &known) {
            Some(near) => write!(f, "; did you mean `{near}`?"),
            None => Ok(()),
        }
    }
}

const SHOWN_CHARS: usize = 80;

/// The text, or its beginning and `…` if it is too long for a message.
pub(crate) fn shorten(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

fn child(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{}\"]", shorten(key)),
    }
}

/// The candidate that a misspelt word most likely means: at most a third of its letters are off.
fn nearest<'k>(word: &str, candidates: &[&'k str]) -> Option<&'k str> {
    let word = shorten(word).to_lowercase();
    let (distance, near) =
        candidates.iter().map(|known| (distance(&word, &known.to_lowercase()), *known)).min()?;
    (distance <= (word.chars().count().max(near.len()) / 3).max(1)).then_some(near)
}

/// The Levenshtein distance, with two neighbours that changed places counted as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_misspelt_word_is_met_with_the_one_that_was_meant() {
        let known = ["webhook", "schedule", "event", "manual"];
        assert_eq!(nearest("webook", &known), Some("webhook"));
        assert_eq!(nearest("WEBHOOK", &known), Some("webhook"));
        assert_eq!(nearest("evnet", &known), Some("event"));
        assert_eq!(nearest("kafka", &known), None);
        assert_eq!(nearest("", &known), None);
    }

    #[test]
    fn a_refusal_names_the_place_the_value_and_what_is_allowed() {
        let document = json!({"a": {"b c": [1, {"d": 500}]}});
        let a = Node::root(&document, "", Form::Strict).object().unwrap().node("a");
        let list = a.object().unwrap().require("b c", "a list").unwrap().list().unwrap();
        let d = list[1].object().unwrap().node("d");
        assert_eq!(
            d.whole(1..=10).unwrap_err().to_string(),
            "a[\"b c\"][1].d: found 500; a whole number from 1 to 10 is needed"
        );
        assert_eq!(list[0].text().unwrap_err().to_string(), "a[\"b c\"][0]: found 1; a string that is not blank is needed");
    }

    #[test]
    fn an_older_document_may_write_numbers_as_strings_and_a_strict_one_may_not() {
        let (seven, yes) = (json!("7"), json!("true"));
        for (form, taken) in [(Form::Older, true), (Form::Strict, false)] {
            assert_eq!(Node::root(&seven, "n", form).whole(1..=9).is_ok(), taken);
            assert_eq!(Node::root(&seven, "n", form).number(1.0..=9.0).is_ok(), taken);
            assert_eq!(Node::root(&yes, "t", form).truth().is_ok(), taken);
        }
        assert!(Node::root(&json!("NaN"), "n", Form::Older).number(0.0..=9.0).is_err());
    }

    #[test]
    fn a_long_value_is_cut_short_in_a_message() {
        let long = json!("ä".repeat(500));
        assert!(Shown(&long).to_string().chars().count() < 100);
    }
}
