//! Ways into a JSON value: any is read or refused, is written as it was read, and leads where a walk by hand leads.

#![no_main]

use belfry_mesh::path::Path;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn walk<'v>(value: &'v Value, way: &str) -> Option<&'v Value> {
    if way.is_empty() {
        return Some(value);
    }
    way.split('.').try_fold(value, |value, step| match value {
        Value::Object(_) => value.get(step),
        Value::Array(list) if step.bytes().all(|byte| byte.is_ascii_digit()) => {
            list.get(step.parse::<usize>().ok()?)
        }
        _ => None,
    })
}

fuzz_target!(|text: &str| {
    let (way, document) = text.split_once('\n').unwrap_or((text, "[]"));
    let value: Value = serde_json::from_str(document).unwrap_or_default();
    match Path::parse(way) {
        Ok(path) => {
            assert_eq!(path.to_string(), way);
            assert_eq!(path.find(&value), walk(&value, way));
        }
        Err(_) => assert!(way.split('.').any(str::is_empty)),
    }
    if let Ok(path) = Path::parse_in_event(way) {
        let inner = way.strip_prefix("event").unwrap_or_default();
        let inner = inner.strip_prefix('.').unwrap_or(inner);
        assert_eq!(path.find(&value), walk(&value, inner));
    }
});
