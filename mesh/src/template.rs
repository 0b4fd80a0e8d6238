//! Templates: how a package says what a run gets, in terms of the event.
//!
//! | placeholder | what it stands for |
//! |---|---|
//! | `${event}`, `${event.a.0.b}` | the event's body, or what is in it |
//! | `${ce.type}` | an attribute of the event as a CloudEvent: `type`, `id`, `source`, `subject`, `time`, … |
//! | `${http.x-github-event}` | a header of the provider that travels with the event |
//! | `${NAME}` | a variable of the trigger's environment |
//! | `${now}`, `${current_timestamp}` | the instant of rendering, RFC 3339, in UTC |
//! | `${execution.id}`, `${execution.result}`, `${execution.result.a}` | the run, once there is one |
//!
//! Any of them may carry a default, `${NAME:-default}`, which stands in when there is no value, or `null`, or an empty string.
//! A string that is one single placeholder becomes the value itself, with its JSON type, and `null` if there is none. Within
//! other text a string is put in as it is, another value as JSON, and nothing for `null` or no value. Objects and lists are
//! templates of their members; keys are left alone. `$${` is a literal `${`; any other `$` is itself.
//!
//! All that can be wrong with a template is found when it is parsed. Rendering cannot fail.

mod placeholder;
mod task;
mod text;

pub(crate) use placeholder::is_variable;
pub use task::{DEFAULT_TASK, Task, TaskTemplate};
pub use text::{Missing, Text};

use crate::path;
use jiff::Timestamp;
use placeholder::{Piece, Placeholder, Reference};
use serde_json::{Map, Value};

/// What placeholders are looked up in. Only the event and the instant are always there.
pub trait Scope {
    /// The event's body as JSON.
    fn event(&self) -> &Value;

    /// The instant of rendering.
    fn now(&self) -> Timestamp;

    /// What travels beside the body, under its name in the binary mode of CloudEvents: `ce-type`, `http-x-github-event`.
    fn attribute(&self, _name: &str) -> Option<String> {
        None
    }

    /// A variable of the trigger's environment.
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    /// The run, once there is one.
    fn execution(&self) -> Option<Execution<'_>> {
        None
    }
}

/// A run, as templates see it.
#[derive(Debug, Clone, Copy)]
pub struct Execution<'a> {
    /// The orchestrator's name for it.
    pub id: &'a str,
    /// What the orchestrator answered.
    pub result: &'a Value,
}

/// A parsed JSON value with placeholders in its strings.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Node);

/// Named templates: the parameters of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Templates(Vec<(String, Template)>);

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A placeholder has no end.
    #[error("`{0}` has no closing `}}`; write `$${{` for a literal `${{`")]
    Unterminated(String),
    /// A placeholder names nothing.
    #[error("`${{}}` is empty; name what it stands for, or write `$${{` for a literal `${{`")]
    Empty,
    /// A placeholder within a placeholder.
    #[error("`{0}` holds another placeholder; a default is plain text")]
    Nested(String),
    /// A placeholder names something that there is not.
    #[error("{0}")]
    Unknown(String),
    /// A placeholder leads nowhere.
    #[error(transparent)]
    Path(#[from] path::Error),
    /// A brace of a task template has no partner.
    #[error(
        "the task template has a lonely `{brace}` at `{at}`; write `{brace}{brace}` for a literal `{brace}`"
    )]
    Brace {
        /// The brace.
        brace: char,
        /// The text from there on.
        at: String,
    },
    /// The braces of a task template hold no path.
    #[error("the task template's field `{{{0}}}` is not a path such as `{{pull_request.title}}`")]
    Field(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(Value),
    Single(Placeholder),
    Text(Vec<Piece>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Template {
    /// Reads a template from JSON.
    ///
    /// # Errors
    /// [`Error`] if a placeholder is malformed or unknown.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        Node::parse(value).map(Self)
    }

    /// The value in this scope.
    pub fn render(&self, scope: &dyn Scope) -> Value {
        self.0.render(scope)
    }

    /// Whether it refers to the run, which is not there before it is started.
    #[must_use]
    pub fn needs_execution(&self) -> bool {
        self.0.any(&|placeholder| {
            matches!(
                placeholder.reference,
                Reference::ExecutionId | Reference::ExecutionResult(_)
            )
        })
    }

    /// Whether it refers to the event's body.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.0
            .any(&|placeholder| matches!(placeholder.reference, Reference::Event(_)))
    }

    /// Whether it refers to what the orchestrator answered.
    #[must_use]
    pub fn needs_result(&self) -> bool {
        self.0
            .any(&|placeholder| matches!(placeholder.reference, Reference::ExecutionResult(_)))
    }

    /// Whether it refers to a variable, which is known only where the trigger runs.
    #[must_use]
    pub fn needs_environment(&self) -> bool {
        self.0
            .any(&|placeholder| matches!(placeholder.reference, Reference::Variable(_)))
    }
}

impl Templates {
    /// Reads one template a key.
    ///
    /// # Errors
    /// The key with [`Error`] if a placeholder is malformed or unknown.
    pub fn parse(map: &Map<String, Value>) -> Result<Self, (String, Error)> {
        let one = |(name, value): (&String, &Value)| match Template::parse(value) {
            Ok(template) => Ok((name.clone(), template)),
            Err(error) => Err((name.clone(), error)),
        };
        map.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// The values in this scope.
    pub fn render(&self, scope: &dyn Scope) -> Map<String, Value> {
        self.0
            .iter()
            .map(|(name, template)| (name.clone(), template.render(scope)))
            .collect()
    }

    /// The names with their templates, in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Template)> {
        self.0
            .iter()
            .map(|(name, template)| (name.as_str(), template))
    }
}

impl Node {
    fn parse(value: &Value) -> Result<Self, Error> {
        Ok(match value {
            Value::String(text) => Self::of_pieces(placeholder::pieces(text)?),
            Value::Array(list) => {
                Self::List(list.iter().map(Self::parse).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let member = |(key, value): (&String, &Value)| {
                    Self::parse(value).map(|node| (key.clone(), node))
                };
                Self::Object(map.iter().map(member).collect::<Result<_, _>>()?)
            }
            literal => Self::Literal(literal.clone()),
        })
    }

    fn of_pieces(mut pieces: Vec<Piece>) -> Self {
        match (pieces.pop(), pieces.is_empty()) {
            (None, _) => Self::Literal(Value::String(String::new())),
            (Some(Piece::Literal(text)), true) => Self::Literal(Value::String(text)),
            (Some(Piece::Placeholder(single)), true) => Self::Single(single),
            (Some(last), false) => {
                pieces.push(last);
                Self::Text(pieces)
            }
        }
    }

    fn render(&self, scope: &dyn Scope) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Single(placeholder) => placeholder.value(scope),
            Self::Text(pieces) => {
                Value::String(pieces.iter().map(|piece| piece.text(scope)).collect())
            }
            Self::List(list) => list.iter().map(|node| node.render(scope)).collect(),
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, node)| (key.clone(), node.render(scope)))
                    .collect(),
            ),
        }
    }

    fn any(&self, test: &dyn Fn(&Placeholder) -> bool) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Single(placeholder) => test(placeholder),
            Self::Text(pieces) => pieces
                .iter()
                .any(|piece| matches!(piece, Piece::Placeholder(placeholder) if test(placeholder))),
            Self::List(list) => list.iter().any(|node| node.any(test)),
            Self::Object(members) => members.iter().any(|(_, node)| node.any(test)),
        }
    }
}

/// A value within other text: a string as it is, nothing for `null`, anything else as JSON.
fn embedded(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
