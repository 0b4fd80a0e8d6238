//! Conditions of a package on its events: all must hold, or the event is ignored.
//!
//! A condition names a field of the event's body and what must be true of it:
//! `{"field": "event.pull_request.base.ref", "in": ["main", "release"]}`. Several operators in one condition must all hold.
//!
//! | operator | holds if the field |
//! |---|---|
//! | `equals`, `not_equals` | is, is not this value; 1 and 1.0 are the same number |
//! | `in`, `not_in` | is one, is none of this list |
//! | `contains`, `not_contains` | is a string with, without this text; a list with, without this element; an object with, without this key |
//! | `starts_with`, `ends_with` | is a string that does |
//! | `exists` | is there and not `null`; with `false`: is missing or `null` |
//! | `matches` | is a string in which this regular expression is found; anchor it with `^` and `$` |
//! | `gt`, `gte`, `lt`, `lte` | is a number so compared; with a string, a string that sorts so (dates of RFC 3339 do) |
//!
//! Of a missing field only what denies holds: `not_equals`, `not_in`, `not_contains`, and `exists: false`.

mod compare;

use crate::document::{Error, Form, Node, shorten, unknown};
use crate::path::Path;
pub(crate) use compare::same;
use compare::{contains, order, whole};
use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;

/// What must be true of one field of an event.
#[derive(Debug, Clone)]
pub struct Condition {
    field: String,
    path: Path,
    tests: Vec<Test>,
}

/// Why an event is ignored, in words for the one who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(String);

#[derive(Debug, Clone)]
enum Test {
    Equals(Value),
    NotEquals(Value),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Contains(Value),
    NotContains(Value),
    StartsWith(String),
    EndsWith(String),
    Exists(bool),
    Matches(Regex),
    Compare(Comparison, Value),
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

const OPERATORS: [&str; 14] = [
    "equals",
    "not_equals",
    "in",
    "not_in",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "exists",
    "matches",
    "gt",
    "gte",
    "lt",
    "lte",
];

/// The largest compiled regular expression, in bytes. It bounds what a look at a large body costs.
const REGEX_SIZE: usize = 64 * 1024;

/// Reads a list of conditions, strictly: nothing in it may be unknown.
///
/// # Errors
/// [`Error::Invalid`] names the place, below `conditions`.
pub fn parse(list: &Value) -> Result<Vec<Condition>, Error> {
    read(&Node::root(list, "conditions", Form::Strict))
}

/// Whether all conditions hold for an event with this body.
///
/// # Errors
/// What the first condition that does not hold found, and what it asks for.
pub fn evaluate(conditions: &[Condition], body: &Value) -> Result<(), Reason> {
    conditions
        .iter()
        .try_for_each(|condition| condition.check(body))
}

pub(crate) fn read(list: &Node<'_>) -> Result<Vec<Condition>, Error> {
    list.list()?.iter().map(Condition::read).collect()
}

impl Condition {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        let field = object.require("field", "the path of a field, such as `event.action`,")?;
        let path = Path::parse_in_event(field.text()?).map_err(|error| field.refuse(error))?;
        let mut tests = Vec::new();
        let mut stray = None;
        for (key, operand) in object.entries().filter(|(key, _)| *key != "field") {
            match Test::read(key, &operand)? {
                Some(test) => tests.push(test),
                None => stray = stray.or(Some((key, operand))),
            }
        }
        // An older condition may carry a remark beside its operator, but not a misspelt operator alone: it would hold always.
        match stray {
            Some((key, operand)) if node.form() == Form::Strict || tests.is_empty() => {
                Err(operand.refuse(unknown("operator", key, &OPERATORS)))
            }
            None if tests.is_empty() => Err(node.refuse(format_args!(
                "a condition needs an operator; known: {}",
                OPERATORS.join(", ")
            ))),
            _ => Ok(Self {
                field: field.text()?.to_owned(),
                path,
                tests,
            }),
        }
    }

    /// The field, as `event.path`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    fn check(&self, body: &Value) -> Result<(), Reason> {
        let found = self.path.find(body);
        match self.tests.iter().find(|test| !test.holds(found)) {
            Some(test) => Err(Reason::about(&self.field, found, test)),
            None => Ok(()),
        }
    }
}

impl Test {
    /// The test of this operator; none if there is no such operator.
    fn read(operator: &str, operand: &Node<'_>) -> Result<Option<Self>, Error> {
        let value = || operand.value().clone();
        let values = || {
            Ok::<_, Error>(
                operand
                    .list()?
                    .iter()
                    .map(|node| node.value().clone())
                    .collect(),
            )
        };
        let text = || operand.text().map(str::to_owned);
        let bound = |comparison| match operand.value() {
            Value::Number(_) | Value::String(_) => Ok(Self::Compare(comparison, value())),
            _ => Err(operand.expected("a number or a string")),
        };
        Ok(Some(match operator {
            "equals" => Self::Equals(value()),
            "not_equals" => Self::NotEquals(value()),
            "in" => Self::In(values()?),
            "not_in" => Self::NotIn(values()?),
            "contains" => Self::Contains(value()),
            "not_contains" => Self::NotContains(value()),
            "starts_with" => Self::StartsWith(text()?),
            "ends_with" => Self::EndsWith(text()?),
            "exists" => Self::Exists(operand.truth()?),
            "matches" => Self::Matches(regex(operand)?),
            "gt" => bound(Comparison::Greater)?,
            "gte" => bound(Comparison::GreaterOrEqual)?,
            "lt" => bound(Comparison::Less)?,
            "lte" => bound(Comparison::LessOrEqual)?,
            _ => return Ok(None),
        }))
    }

    fn holds(&self, found: Option<&Value>) -> bool {
        let is = |test: &dyn Fn(&Value) -> bool| found.is_some_and(test);
        let text = |test: &dyn Fn(&str) -> bool| found.and_then(Value::as_str).is_some_and(test);
        match self {
            Self::Equals(value) => is(&|found| same(found, value)),
            Self::NotEquals(value) => !is(&|found| same(found, value)),
            Self::In(list) => is(&|found| list.iter().any(|value| same(found, value))),
            Self::NotIn(list) => !is(&|found| list.iter().any(|value| same(found, value))),
            Self::Contains(value) => is(&|found| contains(found, value)),
            Self::NotContains(value) => !is(&|found| contains(found, value)),
            Self::StartsWith(start) => text(&|found| found.starts_with(start)),
            Self::EndsWith(end) => text(&|found| found.ends_with(end)),
            Self::Exists(wanted) => is(&|found| !found.is_null()) == *wanted,
            Self::Matches(regex) => text(&|found| regex.is_match(found)),
            Self::Compare(comparison, bound) => {
                is(&|found| order(found, bound).is_some_and(|order| comparison.allows(order)))
            }
        }
    }
}

impl Comparison {
    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Greater => "greater than",
            Self::GreaterOrEqual => "at least",
            Self::Less => "less than",
            Self::LessOrEqual => "at most",
        }
    }
}

impl Reason {
    /// A reason in these words.
    #[must_use]
    pub fn new(words: String) -> Self {
        Self(words)
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn about(field: &str, found: Option<&Value>, must: impl fmt::Display) -> Self {
        match found {
            Some(found) => Self(format!("{field} is {}, and must {must}", whole(found))),
            None => Self(format!("{field} is missing, and must {must}")),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(value) => write!(f, "be {}", whole(value)),
            Self::NotEquals(value) => write!(f, "not be {}", whole(value)),
            Self::In(list) => write!(f, "be {}", OneOf(list)),
            Self::NotIn(list) => write!(f, "not be {}", OneOf(list)),
            Self::Contains(value) => write!(f, "contain {}", whole(value)),
            Self::NotContains(value) => write!(f, "not contain {}", whole(value)),
            Self::StartsWith(start) => write!(f, "start with `{}`", shorten(start)),
            Self::EndsWith(end) => write!(f, "end with `{}`", shorten(end)),
            Self::Exists(true) => f.write_str("be there"),
            Self::Exists(false) => f.write_str("not be there"),
            Self::Matches(regex) => write!(f, "match `{}`", shorten(regex.as_str())),
            Self::Compare(comparison, bound) => {
                write!(f, "be {} {}", comparison.words(), whole(bound))
            }
        }
    }
}

/// A list of values as a reason shows it.
pub(crate) struct OneOf<'a>(pub(crate) &'a [Value]);

impl fmt::Display for OneOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.0.iter().take(10).map(whole).collect();
        let more = if self.0.len() > values.len() {
            ", …"
        } else {
            ""
        };
        write!(f, "one of {}{more}", values.join(", "))
    }
}

fn regex(operand: &Node<'_>) -> Result<Regex, Error> {
    RegexBuilder::new(operand.text()?)
        .size_limit(REGEX_SIZE)
        .build()
        .map_err(|error| {
            operand.refuse(format_args!(
                "not a regular expression that can be used: {error}"
            ))
        })
}

#[cfg(test)]
mod tests;
