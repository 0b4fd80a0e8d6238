//! What becomes of a stream that is there already.

use serde_json::{Map, Value, json};

/// What is to be done about a stream that is there.
pub(super) struct Plan {
    /// Its new configuration, if it is to change.
    pub(super) change: Option<Map<String, Value>>,
    /// What differs and stays, in words.
    pub(super) kept: Vec<String>,
}

/// Everything that the server says of its stream stays as it is, but for what is too narrow.
pub(super) fn plan(wanted: &Map<String, Value>, found: &Map<String, Value>) -> Plan {
    let mut change = found.clone();
    let mut kept = Vec::new();
    for (setting, value) in wanted {
        let there = found.get(setting).unwrap_or(&Value::Null);
        match setting.as_str() {
            "name" => {}
            "subjects" => {
                let mut subjects = there.as_array().cloned().unwrap_or_default();
                let missing = value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|subject| !subjects.contains(subject));
                let missing: Vec<_> = missing.cloned().collect();
                subjects.extend(missing);
                change.insert(setting.clone(), subjects.into());
            }
            "max_age"
            | "max_bytes"
            | "max_msgs_per_subject"
            | "duplicate_window"
            | "num_replicas" => {
                if bound(value) > bound(there) {
                    change.insert(setting.clone(), value.clone());
                } else if bound(value) < bound(there) {
                    kept.push(format!("`{setting}` is {there} on the server, more than the {value} that is configured"));
                }
            }
            "storage" | "retention" => {
                if value != there {
                    kept.push(format!(
                        "`{setting}` is {there} on the server, where Belfry wants {value}"
                    ));
                }
            }
            // An absent flag is one that is off.
            _ if value == there || (value == &json!(false) && there.is_null()) => {}
            _ => {
                change.insert(setting.clone(), value.clone());
            }
        }
    }
    Plan {
        change: (&change != found).then_some(change),
        kept,
    }
}

/// A limit as a number: none is the largest.
fn bound(limit: &Value) -> u64 {
    match limit.as_i64() {
        Some(number) if number > 0 => number.unsigned_abs(),
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn events() -> Map<String, Value> {
        super::super::wanted(&Config::default()).remove(0)
    }

    #[test]
    fn a_stream_that_is_as_wanted_stays_untouched() {
        let mut found = events();
        found.insert("sealed".into(), json!(false));
        let plan = plan(&events(), &found);
        assert!(plan.change.is_none() && plan.kept.is_empty());
    }

    #[test]
    fn what_is_too_narrow_is_widened_and_what_is_unknown_stays() {
        let mut found = events();
        found.insert("max_bytes".into(), json!(1_000));
        found.insert("discard".into(), json!("old"));
        found.insert("subjects".into(), json!(["belfry.event.*", "mine.>"]));
        found.insert("from_the_future".into(), json!({ "a": 1 }));
        let change = plan(&events(), &found).change.unwrap();
        assert_eq!(change["max_bytes"], json!(4_u64 << 30));
        assert_eq!(change["discard"], "new");
        assert_eq!(
            change["subjects"],
            json!([
                "belfry.event.*",
                "mine.>",
                "belfry.tick.*",
                "belfry.signal.>"
            ])
        );
        assert_eq!(change["from_the_future"], json!({ "a": 1 }));
    }

    #[test]
    fn nothing_is_narrowed_and_all_of_it_is_told() {
        let mut found = events();
        for (setting, wide) in [
            ("max_bytes", -1),
            ("max_age", 0),
            ("num_replicas", 3),
            ("duplicate_window", i64::MAX),
        ] {
            found.insert(setting.into(), json!(wide));
        }
        found.insert("storage".into(), json!("memory"));
        let plan = plan(&events(), &found);
        assert!(plan.change.is_none());
        assert_eq!(plan.kept.len(), 5, "{:?}", plan.kept);
    }
}
