use super::*;
use proptest::prelude::*;
use serde_json::json;

struct Run {
    event: Value,
    result: Value,
}

impl Scope for Run {
    fn event(&self) -> &Value {
        &self.event
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn attribute(&self, name: &str) -> Option<String> {
        (name == "http-x-github-event").then(|| "push".into())
    }
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "REGION" => Some("eu".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }
    fn execution(&self) -> Option<Execution<'_>> {
        Some(Execution {
            id: "x-1",
            result: &self.result,
        })
    }
}

fn run() -> Run {
    Run {
        event: json!({"n": 7, "on": true, "name": "a", "labels": [{"name": "bug"}], "none": null}),
        result: json!({"score": 0.5}),
    }
}

fn rendered(template: Value) -> Value {
    Template::parse(&template).unwrap().render(&run())
}

#[test]
fn a_single_placeholder_keeps_the_type_of_its_value() {
    assert_eq!(
        rendered(json!({
            "n": "${event.n}", "on": "${event.on}", "labels": "${event.labels}", "first": "${event.labels.0.name}",
            "none": "${event.none}", "missing": "${event.a.b}", "unset": "${UNSET}", "id": "${execution.id}",
            "score": "${execution.result.score}", "at": "${now}", "kind": "${http.x-github-event}", "ce": "${ce.type}",
        })),
        json!({
            "n": 7, "on": true, "labels": [{"name": "bug"}], "first": "bug",
            "none": null, "missing": null, "unset": null, "id": "x-1",
            "score": 0.5, "at": "1970-01-01T00:00:00Z", "kind": "push", "ce": null,
        })
    );
}

#[test]
fn within_other_text_a_value_becomes_text_and_a_missing_one_nothing() {
    assert_eq!(rendered(json!("#${event.n} ${event.name}")), json!("#7 a"));
    assert_eq!(
        rendered(json!("[${event.none}${event.x.y}${UNSET}]")),
        json!("[]")
    );
    assert_eq!(
        rendered(json!("${event.labels} ")),
        json!(r#"[{"name":"bug"}] "#)
    );
}

#[test]
fn a_default_stands_in_for_nothing_null_and_the_empty_string() {
    for name in ["UNSET", "EMPTY", "event.none", "event.x", "ce.subject"] {
        assert_eq!(
            rendered(json!(format!("${{{name}:-none: yet}}"))),
            json!("none: yet"),
            "{name}"
        );
    }
    assert_eq!(
        rendered(json!("${REGION:-us}/${event.n:-0}")),
        json!("eu/7")
    );
    assert_eq!(rendered(json!("${UNSET:-}")), json!(""));
}

#[test]
fn lists_objects_and_literals_nest_and_keys_are_left_alone() {
    assert_eq!(
        rendered(json!({"${event.n}": [1, null, {"deep": "${event.n}"}, "plain"]})),
        json!({"${event.n}": [1, null, {"deep": 7}, "plain"]})
    );
}

#[test]
fn an_escaped_or_lonely_dollar_is_literal() {
    assert_eq!(
        rendered(json!("$${event.n} $5 $$ ${event.n}$")),
        json!("${event.n} $5 $$ 7$")
    );
    assert_eq!(rendered(json!("$$${event.n}")), json!("$${event.n}"));
}

#[test]
fn a_reference_to_the_run_is_found_wherever_it_hides() {
    let needs = |template| Template::parse(&template).unwrap().needs_execution();
    assert!(needs(json!({"a": ["x ${execution.id}"]})));
    assert!(needs(json!("${execution.result}")));
    let needs_body = |template| Template::parse(&template).unwrap().needs_body();
    assert!(needs_body(json!([{"a": "x ${event}"}])));
    assert!(!needs_body(json!("${ce.id} ${execution.id} ${now}")));
    let needs_result = |template| Template::parse(&template).unwrap().needs_result();
    assert!(needs_result(json!({"a": ["x ${execution.result.score}"]})));
    assert!(!needs_result(json!("${execution.id}")));
    assert!(!needs(json!({"a": "${event.execution.id}"})));
}

#[test]
fn a_reference_to_a_variable_is_found_even_with_a_default() {
    let needs = |template| Template::parse(&template).unwrap().needs_environment();
    assert!(needs(json!({"a": ["x ${NAME:-y}"]})));
    assert!(!needs(json!(["${event.NAME}", "${now}", "$${NAME}"])));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(\\$|\\{|\\}|:-|event|\\.|now|[a-zA-Z_]| |ü){0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-z]{1,4}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_parses_renders(template in json_value(), event in json_value()) {
        if let Ok(template) = Template::parse(&template) {
            template.render(&Run { event, result: Value::Null });
        }
    }

    #[test]
    fn text_without_a_placeholder_is_left_as_it_is(text in "[^$]{0,40}") {
        prop_assert_eq!(rendered(json!(text)), json!(text));
    }

    #[test]
    fn an_escaped_text_comes_out_as_it_went_in(text in "(\\$|\\{|\\}|[a-z]){0,20}") {
        let escaped = text.replace("${", "$${");
        prop_assert_eq!(rendered(json!(escaped)), json!(text));
    }
}
