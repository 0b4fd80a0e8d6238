use super::super::Setting;
use super::*;
use crate::Target;
use crate::package::Manifest;
use crate::signature::Auth;
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
        rate_limit: None,
        allow_ips: None,
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

fn webhook(version: &str, auth: &Value) -> Arc<Manifest> {
    let document = json!({
        "manifest": 2, "name": "p", "version": version, "type": "trigger",
        "trigger": {"type": "webhook", "auth": auth}
    });
    Arc::new(Manifest::try_from(document).unwrap())
}

fn github(secret: &str) -> Auth {
    serde_json::from_value(json!({"scheme": "github", "secret": secret})).unwrap()
}

fn installed_webhook(auth: &Value, of_installer: Option<Auth>) -> Result<Trigger, Error> {
    let request = Install {
        auth: of_installer,
        ..request()
    };
    let found = found(webhook("1.0.0", auth));
    install(request, found, "me", Timestamp::UNIX_EPOCH)
}

#[test]
fn a_package_that_leaves_verification_to_its_installer_is_not_installed_without() {
    let refusal = installed_webhook(&json!("install"), None).unwrap_err();
    let says = refusal.to_string();
    assert!(
        says.contains("give `auth`") && says.contains("`belfry schemes`"),
        "{says}"
    );
    let trigger = installed_webhook(&json!("install"), Some(github("${A}"))).unwrap();
    assert_eq!(trigger.auth().unwrap().scheme().name(), "github");
    assert!(!trigger.lacks_auth());
    // Nor may it lose it, or get such a package by an update.
    let lose = Hook {
        auth: Setting::OfPackage,
        ..Hook::default()
    };
    assert!(set_hook(&trigger, 1, &lose).is_err());
    let open = installed_webhook(&json!({"scheme": "none"}), None).unwrap();
    let asking = found(webhook("2.0.0", &json!("install")));
    assert!(update(&open, 1, &asking).is_err());
}

#[test]
fn what_is_for_webhooks_is_refused_where_there_is_none() {
    let request = Install {
        rate_limit: Some(
            json!({"requests": 1, "window_seconds": 1})
                .try_into()
                .unwrap(),
        ),
        ..request()
    };
    let refusal = install(
        request,
        found(manifest("1.0.0")),
        "me",
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(
        refusal.unwrap_err().to_string(),
        "`rate_limit` is for webhooks, and package `p` takes its events from: manual"
    );
}

#[test]
fn a_hook_is_set_without_new_containers_and_what_was_set_survives_a_rollback() {
    let open = json!({"scheme": "none"});
    let trigger = installed_webhook(&open, Some(github("${A}"))).unwrap();
    let rotate = Hook {
        auth: Setting::Own(github("${B}")),
        rate_limit: Setting::Own(
            json!({"requests": 5, "window_seconds": 60})
                .try_into()
                .unwrap(),
        ),
        ..Hook::default()
    };
    let (rotated, what) = written(set_hook(&trigger, 7, &rotate));
    assert_eq!(what, "changed auth, rate_limit");
    assert_eq!(rotated.containers, Some(7));
    assert_eq!(rotated.manifest, trigger.manifest);
    assert_eq!(rotated.rate_limit().unwrap().requests, 5);
    assert!(matches!(set_hook(&rotated, 8, &rotate), Ok(Decision::Keep)));
    let (updated, _) = written(update(&rotated, 8, &found(webhook("1.1.0", &open))));
    let (back, _) = written(rollback(&updated, &trigger, 7));
    assert_eq!(
        back.auth, rotated.auth,
        "a secret that was given up is back"
    );
    let back_to_package = Hook {
        auth: Setting::OfPackage,
        rate_limit: Setting::OfPackage,
        ..Hook::default()
    };
    let (plain, _) = written(set_hook(&back, 9, &back_to_package));
    assert_eq!(plain.auth().unwrap().scheme().name(), "none");
    assert_eq!(plain.rate_limit(), None);
}

#[test]
fn an_install_with_another_hook_is_not_the_same() {
    let open = json!({"scheme": "none"});
    let one = installed_webhook(&open, Some(github("${A}"))).unwrap();
    let other = installed_webhook(&open, Some(github("${B}"))).unwrap();
    assert!(same_install(&one, &one).is_ok());
    let refusal = same_install(&one, &other).unwrap_err().to_string();
    assert!(
        refusal.contains("`belfry update` changes them"),
        "{refusal}"
    );
}
