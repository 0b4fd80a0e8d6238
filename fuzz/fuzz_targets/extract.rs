//! What the standard triggers make of an event: any body has parameters, and the filters an answer.

#![no_main]

use belfry_mesh::extract::{github, linear, simple};
use belfry_mesh::filter::Filter;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let (kind, document) = text.split_once('\n').unwrap_or(("push", text));
    let body: Value = serde_json::from_str(document).unwrap_or_else(|_| document.into());
    assert_eq!(github(kind, &body)["github_event"], kind);
    assert_eq!(linear(kind, &body)["linear_event"], kind);
    match &body {
        Value::Object(map) => assert_eq!(&simple(&body), map),
        other => assert_eq!(&simple(&body)["payload"], other),
    }
    for filter in [Filter::github(), Filter::linear()] {
        let own = filter.clone().with_overrides(Some(kind), Some(document));
        for filter in [filter, own] {
            let _ = (filter.admit(Some(kind), &body), filter.admit(None, &body));
        }
    }
});
