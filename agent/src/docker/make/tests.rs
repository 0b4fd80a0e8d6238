use super::*;
use belfry_mesh::TriggerName;
use belfry_mesh::package::Manifest;
use futures::FutureExt;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

fn spec(revision: u64) -> Spec {
    let manifest = json!({
        "manifest": 2, "name": "bell", "version": "1.0.0", "type": "trigger",
        "trigger": {"type": "webhook", "auth": {"scheme": "none"}},
    });
    Spec {
        slot: Slot {
            trigger: TriggerName::parse("bell").unwrap(),
            index: 0,
        },
        revision,
        manifest: Arc::new(Manifest::parse(manifest.to_string()).unwrap()),
        target: None,
        environment: BTreeMap::new(),
        concealed: BTreeSet::new(),
    }
}

#[tokio::test]
async fn who_makes_the_same_takes_turns_and_drops_nobody_else_s_mark() {
    let (all, spec) = (Makings::default(), spec(7));
    let is_marked = || all.is_making(&spec.slot, 7);
    let first = Making::begin(&all, &spec).await;
    let mut second = Box::pin(Making::begin(&all, &spec));
    assert!(second.as_mut().now_or_never().is_none(), "they are twins");
    let mut third = Box::pin(Making::begin(&all, &spec));
    assert!(third.as_mut().now_or_never().is_none());
    // Another revision waits for nobody.
    let other = Making::begin(&all, &self::spec(8)).now_or_never();
    assert!(other.is_some());
    drop(other);
    // One gives up waiting.
    drop(third);
    assert!(is_marked());
    drop(first);
    assert!(is_marked(), "the first has dropped the second's mark");
    drop(second.await);
    assert!(!is_marked() && all.is_empty());
}
