//! Manifests: any text is read or refused, and what is read means the same when it is read again.

#![no_main]

use belfry_mesh::condition;
use belfry_mesh::package::Manifest;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = serde_json::to_string(&manifest).expect("a document");
    let again = Manifest::parse(&written).expect("what was just written");
    assert_eq!(format!("{again:?}"), format!("{manifest:?}"));
    let secrets = manifest.secrets();
    assert!(secrets.is_sorted(), "{secrets:?}");
    for body in [Value::Null, manifest.document().clone()] {
        let _ = condition::evaluate(manifest.conditions(), &body);
    }
});
