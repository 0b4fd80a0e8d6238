//! The task of a team, in words: the form of `TASK_TEMPLATE`.

use super::{Error, embedded};
use crate::document::shorten;
use crate::path::Path;
use serde_json::Value;

/// The task template of a trigger that sets none.
pub const DEFAULT_TASK: &str = "Process webhook event: {_raw}";

/// A text with fields of the event's body in braces: `Review {pull_request.title}`. `{_raw}` is the whole body as JSON. `{{` and
/// `}}` are literal braces.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskTemplate(Vec<Part>);

/// A rendered task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What the team is told.
    pub text: String,
    /// Why it is not what the template says, to be logged.
    pub warning: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(String),
    Raw,
    Field(Path),
}

impl TaskTemplate {
    /// Reads a task template.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = if rest[at..].starts_with('{') {
                '{'
            } else {
                '}'
            };
            let lonely = || Error::Brace {
                brace,
                at: shorten(&rest[at..]).into_owned(),
            };
            let inner = &rest[at + 1..];
            if let Some(after) = inner.strip_prefix(brace) {
                literal.push(brace);
                rest = after;
                continue;
            }
            let end = inner
                .find('}')
                .filter(|_| brace == '{')
                .ok_or_else(lonely)?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::parse(&inner[..end])?);
            rest = &inner[end + 1..];
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal));
        Ok(Self(parts))
    }

    /// The task for this body. If a field is missing, the task is that of [`DEFAULT_TASK`], with a warning that names the field.
    /// A field that is there and `null` is no text.
    #[must_use]
    pub fn render(&self, body: &Value) -> Task {
        match self.try_render(body) {
            Ok(text) => Task {
                text,
                warning: None,
            },
            Err(missing) => Task {
                text: DEFAULT_TASK.replace("{_raw}", &body.to_string()),
                warning: Some(format!(
                    "the event has no `{missing}`, which the task template names; the default task is used instead"
                )),
            },
        }
    }

    fn try_render(&self, body: &Value) -> Result<String, &Path> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Raw => text.push_str(&body.to_string()),
                Part::Field(path) => text.push_str(&embedded(path.find(body).ok_or(path)?.clone())),
            }
        }
        Ok(text)
    }
}

impl Default for TaskTemplate {
    fn default() -> Self {
        Self::parse(DEFAULT_TASK).expect("the default is well formed, which a test shows")
    }
}

impl Part {
    fn parse(inner: &str) -> Result<Self, Error> {
        let field = || Error::Field(shorten(inner).into_owned());
        match inner.trim() {
            "" => Err(field()),
            "_raw" => Ok(Self::Raw),
            path if path.contains(['{', '"', ':', '\n']) => Err(field()),
            path => Path::parse(path).map(Self::Field).map_err(|_| field()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn render(template: &str, body: &Value) -> Task {
        TaskTemplate::parse(template).unwrap().render(body)
    }

    #[test]
    fn fields_of_the_event_are_put_in() {
        let body =
            json!({"pull_request": {"number": 7, "title": "Fix", "body": null, "labels": ["a"]}});
        let task = render(
            "Review #{pull_request.number}: {pull_request.title}{pull_request.body} {{x}}",
            &body,
        );
        assert_eq!(
            task,
            Task {
                text: "Review #7: Fix {x}".into(),
                warning: None
            }
        );
        assert_eq!(
            render("{pull_request.labels.0} {pull_request.labels}", &body).text,
            r#"a ["a"]"#
        );
    }

    #[test]
    fn the_default_is_the_whole_event() {
        let task = TaskTemplate::default().render(&json!({"a": 1}));
        assert_eq!(
            task,
            Task {
                text: r#"Process webhook event: {"a":1}"#.into(),
                warning: None
            }
        );
    }

    #[test]
    fn a_missing_field_falls_back_to_the_default_and_says_so() {
        let task = render("Review {pull_request.title}", &json!({"a": 1}));
        assert_eq!(task.text, r#"Process webhook event: {"a":1}"#);
        assert!(task.warning.unwrap().contains("no `pull_request.title`"));
    }

    #[test]
    fn a_value_is_not_read_as_a_template_again() {
        assert_eq!(
            render("{a}", &json!({"a": "{b} {_raw}"})).text,
            "{b} {_raw}"
        );
        assert_eq!(
            render("{no}", &json!("{_raw}")).text,
            r#"Process webhook event: "{_raw}""#
        );
    }

    #[test]
    fn a_malformed_task_template_is_refused_with_what_to_write() {
        let refused = |text| TaskTemplate::parse(text).unwrap_err().to_string();
        assert!(refused("a {b").contains("lonely `{` at `{b`; write `{{`"));
        assert!(refused("a }").contains("write `}}`"));
        assert!(refused("{}").contains("`{}` is not a path"));
        assert!(refused("{a..b}").contains("`{a..b}` is not a path"));
        assert!(refused(r#"{"task": 1}"#).contains("is not a path"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_or_the_rendering_panic(text in "(\\{|\\}|_raw|a|\\.|\\PC){0,30}") {
            if let Ok(template) = TaskTemplate::parse(&text) {
                let task = template.render(&json!({"a": {"a": 1}}));
                prop_assert!(task.warning.is_none() || task.text.starts_with("Process webhook event"));
            }
        }
    }
}
