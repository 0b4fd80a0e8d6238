//! Conditions: any list is read or refused, no body makes a look at it fail, and of an operator and its denial exactly one holds.

#![no_main]

use belfry_mesh::condition::{evaluate, parse};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const DENIALS: [(&str, &str); 3] = [
    ("equals", "not_equals"),
    ("in", "not_in"),
    ("contains", "not_contains"),
];

fuzz_target!(|text: &str| {
    let (first, rest) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(list) = serde_json::from_str::<Value>(first) else {
        return;
    };
    let body: Value = serde_json::from_str(rest).unwrap_or_default();
    if let Ok(conditions) = parse(&list) {
        let found = evaluate(&conditions, &body);
        let each = conditions
            .iter()
            .all(|one| evaluate(std::slice::from_ref(one), &body).is_ok());
        assert_eq!(found.is_ok(), each);
    }
    let holds = |field: &Value, operator: &str, operand: &Value| {
        let one = parse(&json!([{"field": field, operator: operand}])).ok()?;
        Some(evaluate(&one, &body).is_ok())
    };
    for item in list.as_array().into_iter().flatten() {
        let field = &item["field"];
        for (says, denies) in DENIALS {
            let operand = item.get(says).or(item.get(denies)).unwrap_or(&Value::Null);
            let both = (holds(field, says, operand), holds(field, denies, operand));
            match both {
                (Some(a), Some(b)) => assert_ne!(a, b, "{says} {operand} of {body}"),
                (a, b) => assert_eq!(a, b, "{says} {operand}"),
            }
        }
    }
});
