//! What stands between `${` and `}`.

use super::{Error, Scope, embedded};
use crate::document::{nearest, shorten};
use crate::path::Path;
use serde_json::Value;

/// A part of a string.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Literal(String),
    Placeholder(Placeholder),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placeholder {
    pub(super) reference: Reference,
    pub(super) default: Option<String>,
}

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reference {
    Event(Path),
    /// By its header in the binary mode of CloudEvents.
    Attribute(String),
    Variable(String),
    Now,
    ExecutionId,
    ExecutionResult(Path),
}

impl Placeholder {
    /// Reads what stands between the braces.
    fn parse(inner: &str) -> Result<Self, Error> {
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (inner, None),
        };
        match (name.trim(), inner.contains("${")) {
            (_, true) => Err(Error::Nested(format!("${{{}", shorten(inner)))),
            ("", _) => Err(Error::Empty),
            (name, _) => Ok(Self {
                reference: Reference::parse(name)?,
                default,
            }),
        }
    }

    /// The value; `null` if there is none.
    pub(super) fn value(&self, scope: &dyn Scope) -> Value {
        let value = self.reference.value(scope);
        match (&self.default, &value) {
            (Some(default), Value::Null) => Value::String(default.clone()),
            (Some(default), Value::String(text)) if text.is_empty() => {
                Value::String(default.clone())
            }
            _ => value,
        }
    }
}

impl Piece {
    pub(super) fn text(&self, scope: &dyn Scope) -> String {
        match self {
            Self::Literal(text) => text.clone(),
            Self::Placeholder(placeholder) => embedded(placeholder.value(scope)),
        }
    }
}

impl Reference {
    fn parse(name: &str) -> Result<Self, Error> {
        let under = |root: &str| {
            name.strip_prefix(root)
                .and_then(|rest| rest.strip_prefix('.'))
        };
        if name == "event" || under("event").is_some() {
            Ok(Self::Event(Path::parse_in_event(name)?))
        } else if let Some(attribute) = under("ce").filter(|name| is_header(name)) {
            Ok(Self::Attribute(format!("ce-{attribute}")))
        } else if let Some(header) = under("http").filter(|name| is_header(name)) {
            Ok(Self::Attribute(format!(
                "http-{}",
                header.to_ascii_lowercase()
            )))
        } else if let Some(inner) = under("execution.result").filter(|inner| !inner.is_empty()) {
            Ok(Self::ExecutionResult(Path::parse(inner)?))
        } else {
            match name {
                "now" | "current_timestamp" => Ok(Self::Now),
                "execution.id" => Ok(Self::ExecutionId),
                "execution.result" => Ok(Self::ExecutionResult(Path::parse("")?)),
                _ if is_variable(name) => Ok(Self::Variable(name.to_owned())),
                _ => Err(Error::Unknown(unknown(name))),
            }
        }
    }

    fn value(&self, scope: &dyn Scope) -> Value {
        let text = |found: Option<String>| found.map_or(Value::Null, Value::String);
        match self {
            Self::Event(path) => path.find(scope.event()).cloned().unwrap_or_default(),
            Self::Attribute(name) => text(scope.attribute(name)),
            Self::Variable(name) => text(scope.variable(name)),
            Self::Now => Value::String(scope.now().to_string()),
            Self::ExecutionId => text(scope.execution().map(|run| run.id.to_owned())),
            Self::ExecutionResult(path) => scope
                .execution()
                .and_then(|run| path.find(run.result).cloned())
                .unwrap_or_default(),
        }
    }
}

/// Cuts a string at its placeholders. Literals are not empty, and no two of them meet.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        literal.push_str(&rest[..at]);
        if literal.ends_with('$') {
            // `$${`: the first of the two is the escape and is dropped.
            literal.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        let inner = &rest[at + 2..];
        let end =
            closing(inner).ok_or_else(|| Error::Unterminated(shorten(&rest[at..]).into_owned()))?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Placeholder(Placeholder::parse(&inner[..end])?));
        rest = &inner[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Where the brace is that closes a placeholder; a default may hold pairs of braces.
fn closing(inner: &str) -> Option<usize> {
    let mut open = 0_usize;
    inner.char_indices().find_map(|(at, c)| match c {
        '{' => {
            open += 1;
            None
        }
        '}' if open == 0 => Some(at),
        '}' => {
            open -= 1;
            None
        }
        _ => None,
    })
}

/// A name of an environment variable (POSIX, base definitions, 3.216).
pub(crate) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_header(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn unknown(name: &str) -> String {
    const ROOTS: [&str; 4] = ["event", "ce", "http", "execution"];
    const WHOLE: [&str; 4] = [
        "execution.id",
        "execution.result",
        "now",
        "current_timestamp",
    ];
    let root = name.split('.').next().unwrap_or(name);
    let known = "known: event.…, ce.…, http.…, execution.id, execution.result, now, current_timestamp, or a variable";
    if ROOTS.contains(&root) || WHOLE.iter().any(|whole| name.starts_with(whole)) {
        return format!("there is no `${{{}}}`; {known}", shorten(name));
    }
    let refusal = format!("unknown placeholder `${{{}}}`; {known}", shorten(name));
    match nearest(root, &ROOTS) {
        Some(near) => format!("{refusal}; did you mean `{near}`?"),
        None => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        pieces(text).unwrap_err().to_string()
    }

    #[test]
    fn a_malformed_placeholder_is_refused_with_what_to_write() {
        assert_eq!(
            refused("a ${event.x"),
            "`${event.x` has no closing `}`; write `$${` for a literal `${`"
        );
        assert!(refused("${}").starts_with("`${}` is empty"));
        assert!(refused("${ :-x}").starts_with("`${}` is empty"));
        assert!(refused("${A:-${B}}").contains("a default is plain text"));
        assert!(refused("${event..a}").contains("has an empty part"));
        assert!(refused("${execution.result.}").contains("no `${execution.result.}`"));
    }

    #[test]
    fn a_default_may_hold_pairs_of_braces() {
        let found = pieces("${TASK_TEMPLATE:-Process {a.b}: {_raw}}!").unwrap();
        let task = Placeholder {
            reference: Reference::Variable("TASK_TEMPLATE".into()),
            default: Some("Process {a.b}: {_raw}".into()),
        };
        assert_eq!(
            found,
            [Piece::Placeholder(task), Piece::Literal("!".into())]
        );
    }

    #[test]
    fn an_unknown_placeholder_is_refused_with_the_one_that_was_meant() {
        let error = refused("${evnt.action}");
        assert!(
            error.starts_with("unknown placeholder `${evnt.action}`; known: event.…"),
            "{error}"
        );
        assert!(error.ends_with("did you mean `event`?"), "{error}");
        assert!(refused("${execution.status}").contains("execution.result"));
        assert!(refused("${a-b}").contains("unknown placeholder"));
        assert!(refused("${ce.}").contains("no `${ce.}`"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(\\$|\\{|\\}|:|-|\\.|event|execution|[a-z]|\\PC){0,30}") {
            let _ = pieces(&text);
        }
    }
}
