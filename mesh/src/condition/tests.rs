use super::*;
use proptest::prelude::*;
use serde_json::json;

fn body() -> Value {
    json!({
        "action": "opened", "number": 7, "draft": false, "merged_at": null, "big": 9_007_199_254_740_993_u64,
        "created_at": "2026-11-22T10:00:00Z", "labels": [{"name": "bug"}, {"name": "ui"}],
        "names": ["bug", "ui"], "user": {"login": "ada"},
    })
}

fn verdict(condition: Value) -> Result<(), String> {
    evaluate(&parse(&json!([condition])).unwrap(), &body()).map_err(|reason| reason.to_string())
}

#[test]
fn each_operator_holds_where_it_should_and_only_there() {
    for (field, operator, holds, fails) in [
        ("event.action", "equals", json!("opened"), json!("closed")),
        ("event.number", "equals", json!(7.0), json!("7")),
        (
            "event.big",
            "equals",
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992_u64),
        ),
        ("event.merged_at", "equals", json!(null), json!(false)),
        ("event.user", "equals", json!({"login": "ada"}), json!({})),
        (
            "event.action",
            "not_equals",
            json!("closed"),
            json!("opened"),
        ),
        (
            "event.action",
            "in",
            json!(["opened", "synchronize"]),
            json!(["closed"]),
        ),
        (
            "event.action",
            "not_in",
            json!(["closed"]),
            json!(["opened"]),
        ),
        ("event.action", "contains", json!("pen"), json!("x")),
        ("event.names", "contains", json!("bug"), json!("bu")),
        ("event.user", "contains", json!("login"), json!("ada")),
        ("event.names", "not_contains", json!("docs"), json!("ui")),
        ("event.labels.1.name", "starts_with", json!("u"), json!("i")),
        ("event.labels.0.name", "ends_with", json!("ug"), json!("bu")),
        ("event.user.login", "exists", json!(true), json!(false)),
        ("event.merged_at", "exists", json!(false), json!(true)),
        (
            "event.action",
            "matches",
            json!("^(opened|closed)$"),
            json!("^open$"),
        ),
        ("event.number", "gt", json!(6.5), json!(7)),
        ("event.number", "gte", json!(7), json!(8)),
        ("event.number", "lt", json!(8), json!(7)),
        ("event.number", "lte", json!(7), json!(6)),
        (
            "event.created_at",
            "gt",
            json!("2026-11-22"),
            json!("2026-11-23"),
        ),
    ] {
        assert_eq!(
            verdict(json!({"field": field, operator: holds})),
            Ok(()),
            "{field} {operator} {holds}"
        );
        assert!(
            verdict(json!({"field": field, operator: fails})).is_err(),
            "{field} {operator} {fails}"
        );
    }
}

#[test]
fn of_a_missing_field_only_what_denies_holds() {
    for (operator, operand) in [
        ("not_equals", json!(null)),
        ("not_in", json!(["a"])),
        ("not_contains", json!("a")),
        ("exists", json!(false)),
    ] {
        assert_eq!(
            verdict(json!({"field": "event.no.such", operator: operand})),
            Ok(()),
            "{operator}"
        );
    }
    for (operator, operand) in [
        ("equals", json!(null)),
        ("in", json!([null])),
        ("contains", json!("")),
        ("starts_with", json!("a")),
        ("ends_with", json!("a")),
        ("exists", json!(true)),
        ("matches", json!(".*")),
        ("gt", json!(0)),
        ("lt", json!(0)),
    ] {
        assert!(
            verdict(json!({"field": "event.no.such", operator: operand})).is_err(),
            "{operator}"
        );
    }
}

#[test]
fn values_of_another_type_do_not_compare() {
    assert!(verdict(json!({"field": "event.action", "gt": 1})).is_err());
    assert!(verdict(json!({"field": "event.number", "matches": "7"})).is_err());
    assert!(verdict(json!({"field": "event.number", "contains": 7})).is_err());
}

#[test]
fn all_conditions_and_all_their_operators_must_hold() {
    assert_eq!(
        verdict(json!({"field": "event.number", "gte": 1, "lt": 10})),
        Ok(())
    );
    assert!(verdict(json!({"field": "event.number", "gte": 1, "lt": 5})).is_err());
    let two = json!([{"field": "event.number", "gt": 1}, {"field": "event.draft", "equals": true}]);
    let reason = evaluate(&parse(&two).unwrap(), &body()).unwrap_err();
    assert_eq!(
        reason.as_str(),
        "event.draft is `false`, and must be `true`"
    );
    assert_eq!(evaluate(&[], &Value::Null), Ok(()));
}

#[test]
fn a_reason_says_what_was_found_and_what_is_asked_for() {
    for (condition, reason) in [
        (
            json!({"field": "event.action", "in": ["a", "b"]}),
            "event.action is `opened`, and must be one of `a`, `b`",
        ),
        (
            json!({"field": "event.x", "exists": true}),
            "event.x is missing, and must be there",
        ),
        (
            json!({"field": "event.number", "gt": 9}),
            "event.number is `7`, and must be greater than `9`",
        ),
        (
            json!({"field": "event.user.login", "matches": "^b"}),
            "event.user.login is `ada`, and must match `^b`",
        ),
    ] {
        assert_eq!(verdict(condition), Err(reason.to_owned()));
    }
}

#[test]
fn a_condition_that_says_nothing_or_something_unknown_is_refused() {
    let refused = |list: Value| parse(&list).unwrap_err().to_string();
    let error = refused(json!([{"field": "event.a", "equal": 1}]));
    assert!(
        error.starts_with("conditions[0].equal: unknown operator `equal`; known: equals, "),
        "{error}"
    );
    assert!(error.ends_with("did you mean `equals`?"), "{error}");
    assert!(
        refused(json!([{"field": "event.a", "equals": 1, "note": 1}]))
            .contains("unknown operator `note`")
    );
    assert!(refused(json!([{"field": "event.a"}])).contains("needs an operator"));
    assert!(refused(json!([{"equals": 1}])).starts_with("conditions[0].field: missing"));
    assert!(refused(json!([{"field": "action", "equals": 1}])).contains("write `event.action`"));
    assert!(refused(json!([{"field": "event.a", "in": "x"}])).contains("a list is needed"));
    assert!(
        refused(json!([{"field": "event.a", "gt": true}]))
            .contains("a number or a string is needed")
    );
    assert!(
        refused(json!([{"field": "event.a", "exists": "yes"}])).contains("conditions[0].exists")
    );
    assert!(refused(json!({"field": "event.a"})).contains("a list is needed"));
}

#[test]
fn a_regular_expression_that_is_malformed_or_huge_is_refused() {
    for pattern in ["(", "a{1000}{1000}"] {
        let error = parse(&json!([{"field": "event.a", "matches": pattern}]))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("conditions[0].matches: not a regular expression"),
            "{error}"
        );
    }
}

#[test]
fn an_older_condition_may_carry_a_remark_but_no_operator_that_is_misspelt() {
    let older = |condition: Value| {
        read(&Node::root(&json!([condition]), "conditions", Form::Older)).map(|list| list.len())
    };
    assert_eq!(
        older(json!({"field": "event.a", "equals": 1, "description": "why"})),
        Ok(1)
    );
    assert!(older(json!({"field": "event.a", "equal": 1})).is_err());
}

proptest! {
    #[test]
    fn no_condition_makes_the_parser_or_the_evaluation_panic(
        field in "(event)?(\\.|a|0|\\PC){0,6}",
        operator in proptest::sample::select(OPERATORS.to_vec()),
        text in "(\\(|\\)|\\[|\\*|\\{|\\d|a|\\\\|\\PC){0,10}",
        number in any::<f64>(),
        kind in 0..4,
    ) {
        let operand = match kind {
            0 => json!(text),
            1 => json!(number),
            2 => json!([text, number]),
            _ => json!(true),
        };
        if let Ok(conditions) = parse(&json!([{"field": field, operator: operand}])) {
            for body in [json!({"a": text}), json!({"a": [number]}), json!(null), json!([1])] {
                let _ = evaluate(&conditions, &body);
            }
        }
    }

    #[test]
    fn a_test_and_its_denial_never_agree(value in "[ab]{0,3}", body in "[ab]{0,3}") {
        let body = json!({"x": body});
        for operator in ["equals", "contains"] {
            let one = |op: &str| parse(&json!([{"field": "event.x", op: value}])).unwrap();
            let holds = evaluate(&one(operator), &body).is_ok();
            prop_assert_ne!(holds, evaluate(&one(&format!("not_{operator}")), &body).is_ok());
        }
    }
}
