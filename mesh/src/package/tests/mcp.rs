//! Services: packages that take no events. And what packages of both kinds say of their health, their updates and their nodes.

use super::*;

/// A service with these keys in place of its own, in the form of manifest 2 and in the older one.
fn services(changes: &Value) -> [Result<Manifest, Error>; 2] {
    [with, older].map(|read| {
        let mut document = json!({
            "type": "mcp", "trigger": null, "deployment": {"image": "files:1"},
        });
        for (key, value) in changes.as_object().unwrap() {
            document[key] = value.clone();
        }
        read(document)
    })
}

fn strict(changes: &Value) -> Result<Manifest, Error> {
    let [strict, _] = services(changes);
    strict
}

fn in_older_form(changes: &Value) -> Manifest {
    let [_, older] = services(changes);
    older.unwrap_or_else(|error| panic!("{changes}: {error}"))
}

fn health(manifest: &Manifest) -> &Check {
    &manifest.deployment().health
}

#[test]
fn a_service_is_read_in_both_forms_and_takes_no_events() {
    for manifest in services(&json!({"requirements": {"secrets": ["TOKEN"]}})) {
        let manifest = manifest.unwrap();
        assert_eq!(
            (manifest.kind(), manifest.kind().as_str()),
            (Kind::Mcp, "mcp")
        );
        assert_eq!(
            (manifest.source(), manifest.source().kind()),
            (&Source::None, "none")
        );
        assert!(manifest.source().auth().is_none() && manifest.conditions().is_empty());
        assert!(manifest.params().is_none() && manifest.response().is_none());
        assert_eq!(manifest.secrets(), ["TOKEN"]);
        let image = manifest.deployment().image.as_ref().unwrap();
        assert_eq!(resolved(image), "files:1");
        let written = serde_json::to_string(&manifest).unwrap();
        assert_eq!(Manifest::parse(written).unwrap(), manifest);
    }
    assert_eq!(with(json!({})).unwrap().kind(), Kind::Trigger);
}

#[test]
fn a_service_brings_its_own_image_or_what_it_is_built_from() {
    let build = json!({"deployment": {"build": {"context": "."}}});
    for manifest in services(&build) {
        assert!(manifest.unwrap().deployment().image.is_none());
    }
    for deployment in [
        json!(null),
        json!({}),
        json!({"ports": [{"container": 80}]}),
        json!({"image": null, "build": null}),
    ] {
        for manifest in services(&json!({"deployment": deployment})) {
            assert_eq!(
                manifest.unwrap_err().to_string(),
                "deployment: an mcp needs an `image`, or a `build` to make one"
            );
        }
    }
    assert!(
        with(json!({"deployment": {}})).is_ok(),
        "a trigger has the standard container"
    );
}

#[test]
fn what_is_of_events_is_refused_in_a_service_and_kept_in_an_older_one() {
    for (key, value) in [
        (
            "trigger",
            json!({"type": "webhook", "auth": {"scheme": "none"}}),
        ),
        ("action", json!({"params": {}})),
        ("conditions", json!([])),
        ("response", json!({"timeout": 5})),
        ("delivery", json!({})),
    ] {
        let changes = json!({key: value});
        assert_eq!(
            strict(&changes).unwrap_err().to_string(),
            format!("{key}: an mcp takes no events; leave it out")
        );
        let manifest = in_older_form(&changes);
        assert_eq!(manifest.document()[key], value);
        assert_eq!(
            (manifest.source(), manifest.delivery()),
            (&Source::None, Delivery::default())
        );
    }
    let unknown = strict(&json!({"deploiment": {}})).unwrap_err().to_string();
    assert!(unknown.contains("did you mean `deployment`?"), "{unknown}");
}

#[test]
fn a_trigger_is_asked_for_its_health_and_a_service_for_what_it_must_have() {
    let standard = Check::Get("/health".to_owned());
    let ports = json!({"ports": [{"container": 3000}]});
    for read in [with, older] {
        for deployment in [json!(null), json!({}), ports.clone()] {
            let manual = json!({"trigger": {"type": "manual"}, "deployment": deployment});
            assert_eq!(health(&read(manual).unwrap()), &standard);
        }
    }
    for manifest in services(&json!({})) {
        assert_eq!(health(&manifest.unwrap()), &Check::Running);
    }
    let mut published = ports;
    published["image"] = json!("files:1");
    for manifest in services(&json!({"deployment": published})) {
        let manifest = manifest.unwrap();
        assert_eq!(
            (health(&manifest), manifest.deployment().port),
            (&Check::Connect, 3000)
        );
    }
}

#[test]
fn the_port_of_a_service_is_the_one_it_names_or_else_the_first_that_it_publishes() {
    for (deployment, port) in [
        (
            json!({"image": "a", "port": 9000, "ports": [{"container": 3000}]}),
            9000,
        ),
        (
            json!({"image": "a", "ports": [{"container": "${PORT:-7000}"}, {"container": 3000}]}),
            7000,
        ),
        (json!({"image": "a", "port": 9000}), 9000),
        (json!({"image": "a"}), 8080),
    ] {
        let manifest = strict(&json!({"deployment": deployment})).unwrap();
        assert_eq!(manifest.deployment().port, port, "{deployment}");
    }
    let trigger = with(json!({"deployment": {"ports": [{"container": 3000}]}})).unwrap();
    assert_eq!(
        trigger.deployment().port,
        8080,
        "a trigger keeps the contract's port"
    );
}

#[test]
fn a_health_path_holds_in_manifest_2_and_has_no_effect_in_an_older_one() {
    let changes = json!({"deployment": {"image": "files:1", "health": "/live"}});
    for manifest in [with(changes.clone()), strict(&changes)] {
        assert_eq!(health(&manifest.unwrap()), &Check::Get("/live".to_owned()));
    }
    for word in [json!("/live"), json!("whenever"), json!(5)] {
        let changes = json!({"deployment": {"image": "files:1", "health": word, "port": "any"}});
        assert_eq!(health(&in_older_form(&changes)), &Check::Running);
    }
    for (word, found) in [
        (
            json!("live"),
            "found `live`; a path that begins with `/` is needed",
        ),
        (json!(5), "found 5; a string that is not blank is needed"),
    ] {
        let error = refused(json!({"deployment": {"health": word}}));
        assert_eq!(error, format!("deployment.health: {found}"));
    }
}

#[test]
fn when_an_update_counts_as_failed_is_of_manifest_2() {
    let update = json!({"update": {
        "deadline_seconds": 5, "probation_seconds": 0, "max_failure_ratio": 0.1, "min_attempts": 2,
    }});
    let said = Update {
        deadline: Duration::from_secs(5),
        probation: Duration::ZERO,
        max_failure_ratio: 0.1,
        min_attempts: 2,
    };
    for manifest in [with(update.clone()), strict(&update)] {
        assert_eq!(manifest.unwrap().update(), said);
    }
    assert_eq!(with(json!({})).unwrap().update(), Update::default());
    let update = json!({"update": "never"});
    assert_eq!(in_older_form(&update).update(), Update::default());
    assert_eq!(in_older_form(&update).document()["update"], "never");
    for (update, error) in [
        (json!("never"), "update: found `never`; an object is needed"),
        (
            json!({"deadline": 5}),
            "update.deadline: unknown key `deadline`; known: deadline_seconds",
        ),
        (
            json!({"deadline_seconds": "5"}),
            "update.deadline_seconds: found `5`; a number of seconds from 1 to 3600 is needed",
        ),
        (
            json!({"max_failure_ratio": -0.1}),
            "update.max_failure_ratio: found -0.1; a number from 0 to 1 is needed",
        ),
    ] {
        let found = refused(json!({"update": update}));
        assert!(found.starts_with(error), "{found}");
    }
}

#[test]
fn what_a_node_must_be_like_is_of_manifest_2() {
    let constraints = json!({"requirements": {"constraints": ["zone=eu", "node != a"]}});
    for manifest in [with(constraints.clone()), strict(&constraints)] {
        let manifest = manifest.unwrap();
        let constraints = manifest.requirements().constraints.iter();
        let shown: Vec<_> = constraints.map(ToString::to_string).collect();
        assert_eq!(shown, ["zone=eu", "node!=a"]);
    }
    for (constraints, error) in [
        (json!("zone=eu"), ": found `zone=eu`; a list is needed"),
        (
            json!(["zone=eu", "zone"]),
            "[1]: `zone` is not a constraint: write `label=value` or `label!=value`",
        ),
        (json!([5]), "[0]: found 5; a string that is not blank"),
    ] {
        let found = refused(json!({"requirements": {"constraints": constraints}}));
        assert!(
            found.starts_with(&format!("requirements.constraints{error}")),
            "{found}"
        );
        let changes = json!({"requirements": {"constraints": constraints}});
        let manifest = in_older_form(&changes);
        assert_eq!(manifest.requirements().constraints, []);
    }
}
