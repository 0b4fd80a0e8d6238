use super::*;
use crate::Target;
use crate::package::Manifest;
use std::sync::Arc;

fn manifest(version: &str) -> Arc<Manifest> {
    let text = format!(
        r#"{{"name":"p","version":"{version}","type":"trigger","trigger":{{"type":"manual"}}}}"#
    );
    Arc::new(Manifest::parse(text).unwrap())
}

fn found(manifest: Arc<Manifest>) -> Found {
    Found {
        registry: "main".into(),
        manifest,
    }
}

fn request() -> Install {
    Install {
        kind: Kind::Trigger,
        package: "p".parse().unwrap(),
        version: None,
        registry: None,
        name: None,
        target: Some(Target::Workflow("w".into())),
        config: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
        auth: None,
        replicas: None,
        constraints: Vec::new(),
    }
}

fn installed(version: &str) -> Trigger {
    install(
        request(),
        found(manifest(version)),
        "me",
        Timestamp::UNIX_EPOCH,
    )
    .unwrap()
}

fn written(decision: Result<Decision, Error>) -> (Trigger, String) {
    match decision.unwrap() {
        Decision::Write(trigger, what) => (*trigger, what),
        Decision::Keep => panic!("nothing was changed"),
    }
}

#[test]
fn what_needs_no_new_container_keeps_the_containers_it_has() {
    let trigger = installed("1.0.0");
    let (scaled, what) = written(scale(&trigger, 7, 3));
    assert_eq!((scaled.replicas, scaled.containers), (3, Some(7)));
    assert_eq!(what, "scaled from 1 to 3");
    // And over one more change.
    let (paused, _) = written(pause(&scaled, 8, true));
    assert_eq!(
        (paused.desired, paused.containers),
        (Desired::Paused, Some(7))
    );
    let (restarted, _) = written(restart(&paused));
    assert_eq!(
        (restarted.desired, restarted.containers),
        (Desired::Running, None)
    );
}

#[test]
fn only_what_runs_can_pause() {
    let trigger = installed("1.0.0");
    let (stopped, _) = written(desire(&trigger, 1, Desired::Stopped, "stopped"));
    for pause_or_resume in [true, false] {
        let refusal = pause(&stopped, 2, pause_or_resume).err().unwrap();
        assert!(refusal.to_string().contains("start it first"), "{refusal}");
    }
    assert!(matches!(pause(&trigger, 1, false), Ok(Decision::Keep)));
}

#[test]
fn the_number_of_slots_is_bounded() {
    let trigger = installed("1.0.0");
    for replicas in [0, MAX_REPLICAS + 1] {
        let refusal = scale(&trigger, 1, replicas).err().unwrap().to_string();
        assert!(refusal.contains("1 to 64"), "{refusal}");
    }
    assert!(matches!(scale(&trigger, 1, 1), Ok(Decision::Keep)));
}

#[test]
fn an_update_is_on_probation_until_it_held() {
    let trigger = installed("1.0.0");
    let (updated, what) = written(update(&trigger, 5, &found(manifest("1.1.0"))));
    assert_eq!(what, "updated 1.0.0 to 1.1.0");
    assert_eq!((updated.fallback, updated.containers), (Some(5), None));
    // The next one is compared with the last that held.
    let (again, _) = written(update(&updated, 6, &found(manifest("1.2.0"))));
    assert_eq!(again.fallback, Some(5));
    let (held, what) = confirm(&updated, 6);
    assert_eq!((held.fallback, held.containers), (None, Some(6)));
    assert_eq!(what, "the update to 1.1.0 held");
    assert!(matches!(
        update(&held, 7, &found(manifest("1.1.0"))),
        Ok(Decision::Keep)
    ));
}

#[test]
fn a_rejected_update_takes_the_old_package_and_its_containers_back_and_keeps_the_rest() {
    let trigger = installed("1.0.0");
    let (scaled, _) = written(scale(&trigger, 5, 2));
    let (updated, _) = written(update(&scaled, 6, &found(manifest("1.1.0"))));
    let (more, _) = written(scale(&updated, 7, 4));
    let (back, what) = reject(&more, 8, (&scaled, 6), "it was sick", Timestamp::UNIX_EPOCH);
    assert_eq!(
        what,
        "rolled back from 1.1.0 to 1.0.0 by itself: it was sick"
    );
    assert_eq!(back.manifest, trigger.manifest);
    assert_eq!(
        (back.replicas, back.containers, back.fallback),
        (4, Some(5), None)
    );
    let rejected = back.rejected.as_ref().unwrap();
    assert_eq!((rejected.revision, rejected.version.as_str()), (8, "1.1.0"));
    let (later, _) = written(update(&back, 9, &found(manifest("1.2.0"))));
    assert_eq!((later.rejected, later.fallback), (None, Some(9)));
}

#[test]
fn an_update_that_did_not_hold_and_has_no_way_back_is_kept_and_not_called_good() {
    let (updated, _) = written(update(&installed("1.0.0"), 5, &found(manifest("1.1.0"))));
    let (kept, what) = keep(&updated, 6, "it was sick");
    assert_eq!(
        what,
        "the update to 1.1.0 did not hold: it was sick; the revision to go back to is no longer kept"
    );
    assert_eq!(kept.manifest, updated.manifest);
    assert_eq!((kept.fallback, kept.containers), (None, Some(6)));
}

#[test]
fn a_rollback_changes_the_package_and_nothing_else() {
    let trigger = installed("1.0.0");
    let (updated, _) = written(update(&trigger, 1, &found(manifest("1.1.0"))));
    let changed = Trigger {
        user_config: BTreeMap::from([("A".to_owned(), "2".to_owned())]),
        replicas: 2,
        ..updated
    };
    let (back, what) = written(rollback(&changed, &trigger, 1));
    assert_eq!(what, "rolled back from 1.1.0 to 1.0.0 (revision 1)");
    assert_eq!(back.manifest, trigger.manifest);
    assert_eq!(
        (&back.user_config, back.replicas),
        (&changed.user_config, 2)
    );
    assert_eq!((back.containers, back.fallback), (None, None));
    assert!(matches!(rollback(&back, &trigger, 1), Ok(Decision::Keep)));
}

#[test]
fn a_service_runs_nothing_and_a_trigger_something() {
    let service = r#"{"name":"p","version":"1.0.0","type":"mcp","deployment":{"image":"i"}}"#;
    let service = || found(Arc::new(Manifest::parse(service).unwrap()));
    let now = Timestamp::UNIX_EPOCH;
    let of = |kind, target| Install {
        kind,
        target,
        ..request()
    };
    let target = || Some(Target::Workflow("w".into()));
    for (request, found, words) in [
        (of(Kind::Mcp, target()), service(), "leave workflow_id"),
        (of(Kind::Trigger, target()), service(), "of type `mcp`"),
        (
            of(Kind::Trigger, None),
            found(manifest("1.0.0")),
            "Must specify",
        ),
    ] {
        let refusal = install(request, found, "me", now).err().unwrap();
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
    let installed = install(of(Kind::Mcp, None), service(), "me", now).unwrap();
    assert_eq!((installed.kind(), installed.target), (Kind::Mcp, None));
}

#[test]
fn a_secret_is_not_taken_in_plain_text() {
    let text = r#"{"name":"p","version":"1.0.0","type":"trigger","trigger":{"type":"manual"},
        "requirements":{"secrets":["KEY"]}}"#;
    let secretive = || found(Arc::new(Manifest::parse(text).unwrap()));
    let with = |value: &str| Install {
        config: BTreeMap::from([("KEY".to_owned(), value.to_owned())]),
        ..request()
    };
    let now = Timestamp::UNIX_EPOCH;
    let refusal = install(with("hunter2"), secretive(), "me", now)
        .err()
        .unwrap();
    assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
    assert!(install(with("${MY_KEY}"), secretive(), "me", now).is_ok());
}
