mod mcp;
mod shipped;

use super::*;
use crate::condition;
use crate::filter::Filter;
use crate::limit::Rate;
use crate::template::{Scope, Text};
use proptest::prelude::*;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// The documents under a directory of the registry crate, by file name.
fn documents(directory: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../registry")
        .join(directory);
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.ends_with("metadata.json") {
                let name = path
                    .strip_prefix(env!("CARGO_MANIFEST_DIR"))
                    .unwrap_or(&path)
                    .display()
                    .to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn fixture(name: &str) -> Manifest {
    let (_, text) = documents("fixtures")
        .into_iter()
        .find(|(path, _)| path.contains(name))
        .unwrap();
    Manifest::parse(text).unwrap()
}

fn standard(name: &str) -> Manifest {
    let (_, text) = documents("packages")
        .into_iter()
        .find(|(path, _)| path.contains(name))
        .unwrap();
    Manifest::parse(text).unwrap()
}

/// A manifest 2 with these keys in place of its own; `null` takes one away.
fn with(changes: Value) -> Result<Manifest, Error> {
    let mut document = json!({
        "manifest": 2, "name": "a", "version": "1.0.0", "type": "trigger",
        "trigger": {"type": "webhook", "auth": {"scheme": "none"}},
    });
    for (key, value) in changes.as_object().unwrap() {
        document[key] = value.clone();
    }
    Manifest::try_from(document)
}

/// The same in the older form.
fn older(changes: Value) -> Result<Manifest, Error> {
    let mut changes = changes;
    changes["manifest"] = Value::Null;
    with(changes)
}

fn refused(changes: Value) -> String {
    with(changes).unwrap_err().to_string()
}

fn resolved(text: &Text) -> String {
    text.resolve(|_| None).unwrap()
}

#[test]
fn a_package_may_listen_to_signals() {
    let manifest = fixture("workflow-chain");
    let expected = Source::Event {
        pattern: "workflow.completed".into(),
        source: Some("orchestrator".into()),
    };
    assert_eq!(manifest.source(), &expected);
    assert_eq!(manifest.conditions().len(), 2);
    let listens = |event: &str| with(json!({"trigger": {"type": "event", "event": event}}));
    for good in [
        "workflow.completed",
        "workflow.*",
        "workflow.>",
        ">",
        "a-b.c_d",
    ] {
        assert!(listens(good).is_ok(), "{good} was refused");
    }
    for bad in ["workflow.", ".a", "a..b", "a.>.b", "a b", "work*", "ä"] {
        let error = listens(bad).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("trigger.event: found `{bad}`; tokens of letters")),
            "{error}"
        );
    }
}

#[test]
fn an_unknown_trigger_type_is_refused_with_the_one_that_was_meant() {
    for manifest in [with, older] {
        assert_eq!(
            manifest(json!({"trigger": {"type": "webook"}}))
                .unwrap_err()
                .to_string(),
            "trigger.type: unknown trigger type `webook`; known: webhook, schedule, event, manual; did you mean `webhook`?"
        );
    }
    assert_eq!(
        refused(json!({"type": "tigger"})),
        "type: unknown package type `tigger`; known: trigger, mcp; did you mean `trigger`?"
    );
}

#[test]
fn what_is_needed_and_not_there_is_named() {
    for (changes, error) in [
        (
            json!({"name": null}),
            "name: missing; the package's name is needed",
        ),
        (
            json!({"name": "../a"}),
            "name: `../a` is not a package name",
        ),
        (
            json!({"version": "1.0"}),
            "version: found `1.0`; a semantic version such as `1.0.0` is needed",
        ),
        (
            json!({"type": null}),
            "type: missing; `trigger` or `mcp` is needed",
        ),
        (
            json!({"trigger": null}),
            "trigger: missing; an object that says where events come from is needed",
        ),
        (
            json!({"trigger": {}}),
            "trigger.type: missing; one of webhook, schedule, event, manual is needed",
        ),
        (
            json!({"trigger": {"type": "schedule"}}),
            "trigger.cron: missing; a cron expression",
        ),
        (
            json!({"trigger": {"type": "event"}}),
            "trigger.event: missing",
        ),
        (
            json!({"manifest": 3}),
            "manifest: found 3; 2, or no such key",
        ),
        (
            json!({"manifest": "2"}),
            "manifest: found `2`; 2, or no such key",
        ),
        (json!({"tags": "a"}), "tags: found `a`; a list is needed"),
    ] {
        let found = refused(changes);
        assert!(found.starts_with(error), "{found}");
    }
    assert_eq!(
        Manifest::parse("[]").unwrap_err().to_string(),
        "manifest: found a list; an object is needed"
    );
}

#[test]
fn manifest_2_refuses_keys_that_have_no_effect() {
    for (changes, error) in [
        (
            json!({"condtions": []}),
            "condtions: unknown key `condtions`; known: manifest, name",
        ),
        (
            json!({"trigger": {"type": "manual", "cron": "* * * * *"}}),
            "trigger.cron: unknown key `cron`; known: type",
        ),
        (
            json!({"requirements": {"secret": []}}),
            "requirements.secret: unknown key `secret`",
        ),
        (
            json!({"deployment": {"env": {}}}),
            "deployment.env: unknown key `env`",
        ),
        (
            json!({"deployment": {"ports": [{"hots": 1, "container": 2}]}}),
            "deployment.ports[0].hots: unknown key",
        ),
        (
            json!({"action": {"param": {}}}),
            "action.param: unknown key `param`",
        ),
        (
            json!({"delivery": {"timeout": 5}}),
            "delivery.timeout: unknown key `timeout`",
        ),
        (
            json!({"response": {"code": 200}}),
            "response.code: unknown key `code`",
        ),
        (
            json!({"conditions": [{"field": "event.a", "equal": 1}]}),
            "conditions[0].equal: unknown operator `equal`",
        ),
    ] {
        let found = refused(changes);
        assert!(found.starts_with(error), "{found}");
    }
    assert!(with(json!({"metadata": {"anything": {"goes": true}}})).is_ok());
}

#[test]
fn an_older_manifest_keeps_keys_that_have_no_effect() {
    for changes in [
        json!({"condtions": []}),
        json!({"requirements": {"secret": []}}),
        json!({"deployment": {"env": {}, "port": "any", "ports": [{"container": 80, "hots": 1}], "memory": "lots"}}),
        json!({"action": {"param": "${", "params": {"a": "${event.x"}}}),
        json!({"delivery": {"timeout": "soon"}}),
        json!({"response": {"code": 200}}),
        json!({"trigger": {"type": "manual", "cron": 5}}),
    ] {
        let mut changes = changes;
        if changes.get("trigger").is_none() {
            changes["trigger"] = json!({"type": "manual"});
        }
        let manifest = older(changes.clone()).unwrap_or_else(|error| panic!("{error}"));
        for (key, value) in changes.as_object().unwrap() {
            assert_eq!(&manifest.document()[key], value, "{key}");
        }
        assert_eq!(manifest.delivery(), Delivery::default());
        assert!(manifest.params().is_none());
    }
}

#[test]
fn who_forgets_to_write_manifest_2_is_told() {
    let error = older(
        json!({"trigger": {"type": "webhook", "auth": {"scheme": "github", "secret": "${A}"}}}),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("trigger.auth.scheme: is of manifest 2; write `\"manifest\": 2`"),
        "{error}"
    );
}

#[test]
fn in_webhooks_of_manifest_2_every_part_is_checked() {
    let webhook = |key: &str, value: Value| {
        refused(json!({"trigger": {"type": "webhook", "auth": {"scheme": "none"}, key: value}}))
    };
    for (key, value, error) in [
        ("filter", json!({}), "trigger.filter: unknown key `filter`"),
        (
            "endpoint",
            json!("hook"),
            "trigger.endpoint: found `hook`; a path that begins with `/` is needed",
        ),
        (
            "endpoints",
            json!([{"path": "/a", "method": "BAD METHOD"}]),
            "trigger.endpoints[0].method: found `BAD METHOD`",
        ),
        (
            "deduplication",
            json!({"cache_size": 5}),
            "trigger.deduplication.cache_size: unknown key `cache_size`",
        ),
        (
            "rate_limit",
            json!({"requests": 0, "window_seconds": 1}),
            "trigger.rate_limit.requests: found 0; a whole number from 1",
        ),
        (
            "rate_limit",
            json!({"requests": 5}),
            "trigger.rate_limit.window_seconds: missing",
        ),
        (
            "auth",
            json!({"scheme": "github"}),
            "trigger.auth: scheme `github` needs a secret",
        ),
        (
            "auth",
            json!({"scheme": "github", "secret": "hunter2"}),
            "trigger.auth: a secret is named, never written",
        ),
    ] {
        let found = webhook(key, value);
        assert!(found.starts_with(error), "{found}");
    }
}

#[test]
fn manifest_2_says_what_a_run_gets() {
    struct Run(Value);
    impl Scope for Run {
        fn event(&self) -> &Value {
            &self.0
        }
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
    }
    let manifest =
        with(json!({"action": {"team_id": "t", "params": {"n": "${event.n}", "fixed": [1]}}}))
            .unwrap();
    let params = manifest.params().unwrap().render(&Run(json!({"n": 7})));
    assert_eq!(Value::Object(params), json!({"n": 7, "fixed": [1]}));
    assert!(
        with(json!({"action": {"params": {}}}))
            .unwrap()
            .params()
            .is_some(),
        "no parameters are parameters too"
    );
    assert!(
        with(json!({"action": {"workflow_id": "w"}}))
            .unwrap()
            .params()
            .is_none()
    );
    for (params, error) in [
        (
            json!({"a": {"b": ["${event.x"]}}),
            "action.params.a: `${event.x` has no closing `}`",
        ),
        (
            json!({"a": "${execution.id}"}),
            "action.params.a: refers to the run",
        ),
        (
            json!(["a"]),
            "action.params: found a list; an object is needed",
        ),
    ] {
        let found = refused(json!({"action": {"params": params}}));
        assert!(found.starts_with(error), "{found}");
    }
}

#[test]
fn manifest_2_says_where_its_container_listens_and_what_it_may_use() {
    let deployment = with(
        json!({"deployment": {"path": "/in", "port": 9000, "memory": "64m", "cpus": 0.5, "pids": 32}}),
    );
    let deployment = deployment.unwrap().deployment().clone();
    assert_eq!((deployment.path.as_str(), deployment.port), ("/in", 9000));
    assert_eq!(
        deployment.limits,
        Limits {
            memory: Some(64 << 20),
            cpus: Some(0.5),
            pids: Some(32)
        }
    );
    let default = with(json!({})).unwrap().deployment().clone();
    assert_eq!(
        (default.path.as_str(), default.port, default.image),
        ("/event", 8080, None)
    );
    for (deployment, error) in [
        (
            json!({"port": 0}),
            "deployment.port: found 0; a whole number from 1 to 65535 is needed",
        ),
        (json!({"path": "in"}), "deployment.path: found `in`"),
        (json!({"cpus": 0}), "deployment.cpus: found 0"),
        (
            json!({"image": "${event.a}"}),
            "deployment.image: `${event.a}` refers to an event",
        ),
        (
            json!({"environment": {"A-B": "c"}}),
            "deployment.environment.A-B: an environment variable is named",
        ),
        (
            json!({"environment": {"A": []}}),
            "deployment.environment.A: found a list",
        ),
        (
            json!({"restart": "allways"}),
            "deployment.restart: unknown restart policy `allways`",
        ),
    ] {
        let found = refused(json!({"deployment": deployment}));
        assert!(found.starts_with(error), "{found}");
    }
}

#[test]
fn a_document_that_is_too_long_or_no_json_is_refused() {
    let long = format!(r#"{{"name": "{}"}}"#, "a".repeat(MAX_SIZE));
    assert!(matches!(
        Manifest::parse(&long),
        Err(Error::TooLarge { .. })
    ));
    assert!(matches!(
        Manifest::try_from(json!({"name": long})),
        Err(Error::TooLarge { .. })
    ));
    assert!(matches!(
        Manifest::parse("{\"name\": "),
        Err(Error::Syntax(_))
    ));
    assert!(matches!(
        Manifest::parse([0xff, 0xfe]),
        Err(Error::Syntax(_))
    ));
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(\\$\\{|\\}|event|\\.|[a-z]|/|\\PC){0,8}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{"field": "event.a"}, 1])),
    ]
}

/// Puts a value in some place of a document, chosen by `way`.
fn replace(document: &mut Value, way: &[usize], value: Value) {
    let len = match document {
        Value::Object(map) => map.len(),
        Value::Array(list) => list.len(),
        _ => 0,
    };
    match (way.split_first(), len) {
        (Some((step, rest)), 1..) => {
            let inner = match document {
                Value::Object(map) => map.values_mut().nth(step % len),
                Value::Array(list) => list.get_mut(step % len),
                _ => None,
            };
            replace(inner.unwrap(), rest, value);
        }
        _ => *document = value,
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Manifest::parse(bytes);
    }

    #[test]
    fn whatever_is_changed_in_a_manifest_it_is_read_or_refused_with_the_place(
        which in any::<prop::sample::Index>(),
        way in proptest::collection::vec(0..16_usize, 1..5),
        value in leaf(),
    ) {
        let all: Vec<_> = documents("fixtures").into_iter().chain(documents("packages")).collect();
        let mut document: Value = serde_json::from_str(&all[which.index(all.len())].1).unwrap();
        replace(&mut document, &way, value);
        match Manifest::try_from(document.clone()) {
            Ok(manifest) => prop_assert_eq!(serde_json::to_value(&manifest).unwrap(), document),
            Err(Error::Invalid { path, .. }) => prop_assert!(!path.is_empty()),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn a_webhook_may_leave_verification_to_its_installer_and_bound_who_may_send() {
    let webhook = |trigger: Value| with(json!({"trigger": trigger}));
    let manifest = webhook(json!({
        "type": "webhook", "auth": "install", "allow_ips": ["192.0.2.0/24"],
        "rate_limit": {"requests": 10, "window_seconds": 60}
    }))
    .unwrap();
    let says = manifest.source().webhook().unwrap();
    assert!(says.auth_at_install && says.auth.is_none());
    assert_eq!(says.rate_limit.unwrap().burst, 10);
    let allow = says.allow_ips.as_ref().unwrap();
    assert!(allow.admits("192.0.2.7".parse().unwrap()));
    let bad = json!({"type": "webhook", "auth": "install", "allow_ips": ["192.0.2.1/24"]});
    let error = webhook(bad).unwrap_err().to_string();
    assert!(
        error.starts_with("trigger.allow_ips[0]: `192.0.2.1/24` has bits set behind its prefix"),
        "{error}"
    );
    for auth in [json!("later"), json!(null), json!(true)] {
        let error = webhook(json!({"type": "webhook", "auth": auth}));
        assert!(error.is_err(), "{auth} was taken");
    }
    // To an older manifest these words mean nothing.
    let old = older(json!({"trigger": {"type": "webhook", "allow_ips": ["nonsense"]}})).unwrap();
    assert_eq!(old.source().webhook().unwrap().allow_ips, None);
}
