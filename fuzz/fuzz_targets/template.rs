//! Templates: any is read or refused, none that is read fails when it is rendered, and what is escaped is itself.

#![no_main]

use belfry_mesh::template::{Execution, Scope, TaskTemplate, Template, Text};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

struct Known(Value);

impl Scope for Known {
    fn event(&self) -> &Value {
        &self.0
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn attribute(&self, name: &str) -> Option<String> {
        (name == "ce-type").then(|| "${event}".to_owned())
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name.len() < 3).then(|| "${A}".to_owned())
    }

    fn execution(&self) -> Option<Execution<'_>> {
        Some(Execution {
            id: "run",
            result: &self.0,
        })
    }
}

fuzz_target!(|text: &str| {
    let (first, rest) = text.split_once('\n').unwrap_or((text, "{}"));
    let body: Value = serde_json::from_str(rest).unwrap_or_else(|_| json!({"a": [rest]}));
    let scope = Known(body);
    let template = serde_json::from_str(first).unwrap_or_else(|_| Value::String(first.into()));
    if let Ok(parsed) = Template::parse(&template) {
        let rendered = parsed.render(&scope);
        assert_eq!(parsed.render(&scope), rendered);
        if !first.contains('$') && !first.contains('\\') {
            assert_eq!(rendered, template);
        }
        let _ = (
            parsed.needs_body(),
            parsed.needs_execution(),
            parsed.needs_environment(),
        );
    }
    let escaped = Template::parse(&Value::String(first.replace("${", "$${")));
    let escaped = escaped.expect("nothing in it is a placeholder");
    assert_eq!(escaped.render(&scope), first);
    if let Ok(text) = Text::parse(first) {
        assert_eq!(text.as_str(), first);
        assert!(text.resolve(|_| Some(String::new())).is_ok());
        let names: Vec<&str> = text.variables().collect();
        assert!(text.resolve(|_| None).is_ok() || !names.is_empty());
    }
    if let Ok(task) = TaskTemplate::parse(first) {
        let _ = task.render(&scope.0);
    }
    let escaped = TaskTemplate::parse(&first.replace('{', "{{").replace('}', "}}"));
    let escaped = escaped.expect("nothing in it is a field");
    assert_eq!(escaped.render(&scope.0).text, first);
});
