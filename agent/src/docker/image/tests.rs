use super::*;
use crate::docker::Owner;
use belfry_mesh::package::Manifest;
use belfry_mesh::placement::Slot;
use belfry_mesh::{NodeName, TriggerName};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn from(context: &str, builds: &[&str]) -> Result<Option<Source>, Refusal> {
    let build = Build {
        context: context.to_owned(),
        dockerfile: "Dockerfile".to_owned(),
    };
    let policy = Policy {
        builds: builds.iter().map(|text| (*text).to_owned()).collect(),
        ..Policy::default()
    };
    source(&build, &policy)
}

#[test]
fn a_reference_leads_nowhere_else() {
    for name in ["belfry-trigger:0.1.0", "localhost:5000/a/b@sha256:00", "a"] {
        assert!(is_reference(name), "{name}");
    }
    for name in ["", "../containers", "a b", "a?x=1", "a/../b", "-a", "a%2f"] {
        assert!(!is_reference(name), "{name}");
    }
}

#[test]
fn an_image_is_built_only_where_the_operator_allows_it() {
    let file = || "Dockerfile".to_owned();
    assert_eq!(from(".", &[]), Ok(None));
    assert!(
        from("/srv/bell", &[])
            .unwrap_err()
            .contains("--allow-builds")
    );
    assert_eq!(
        from("/srv/bell", &["/srv"]),
        Ok(Some(Source::Directory("/srv/bell".into(), file())))
    );
    assert!(from("/srv/../etc", &["/srv"]).is_err());
    let url = "https://git.example/acme/bell.git";
    assert_eq!(
        from(url, &["https://git.example/acme/"]),
        Ok(Some(Source::Url(url.to_owned(), file())))
    );
    assert!(from(url, &["https://git.example/ac"]).is_err());
}

fn of(version: &str, deployment: &Value) -> (String, Source) {
    let manifest = json!({
        "manifest": 2, "name": "bell", "version": version, "type": "trigger",
        "deployment": deployment,
        "trigger": {"type": "webhook", "auth": {"scheme": "none"}},
    });
    let spec = Spec {
        slot: Slot {
            trigger: TriggerName::parse("other").unwrap(),
            index: 0,
        },
        revision: 1,
        manifest: Arc::new(Manifest::parse(manifest.to_string()).unwrap()),
        target: None,
        environment: BTreeMap::new(),
        concealed: BTreeSet::new(),
    };
    let config = Config {
        policy: Policy {
            builds: vec!["/srv".to_owned()],
            ..Policy::default()
        },
        ..Config::new(Owner {
            mesh: "m".to_owned(),
            node: NodeName::parse("n").unwrap(),
        })
    };
    let Image { name, source } = image(&spec, &config).unwrap();
    (name, source)
}

#[test]
fn what_is_built_never_takes_the_name_of_somebody_else_s_image() {
    let build = || Source::Directory("/srv/bell".into(), "Dockerfile".to_owned());
    let standard = concat!("belfry-trigger:", env!("CARGO_PKG_VERSION"));
    for (version, deployment, name, source) in [
        ("1.0.0", json!({}), standard, Source::Pull),
        (
            "1.0.0",
            json!({"image": "redis:7"}),
            "redis:7",
            Source::Pull,
        ),
        // A version with more to it, which a tag cannot say as it stands.
        (
            "1.0.0+a.1",
            json!({"build": {"context": "/srv/bell"}}),
            "belfry-build/m/bell:1.0.0_a.1",
            build(),
        ),
        (
            "1.0.0",
            json!({"image": standard, "build": {"context": "/srv/bell"}}),
            "belfry-build/m/bell:1.0.0",
            build(),
        ),
        // What is relative to a package is on no node: its image is one like any other.
        (
            "1.0.0",
            json!({"image": "redis:7", "build": {"context": "."}}),
            "redis:7",
            Source::Pull,
        ),
        // And no registry has, or hands out, what is built here.
        (
            "1.0.0",
            json!({"build": {"context": "."}}),
            "belfry-build/m/bell:1.0.0",
            Source::Nowhere,
        ),
        (
            "1.0.0",
            json!({"image": "belfry-build/m/other:2.0.0"}),
            "belfry-build/m/other:2.0.0",
            Source::Nowhere,
        ),
        (
            "1.0.0",
            json!({"image": "docker.io/belfry-build/m/other:2.0.0"}),
            "docker.io/belfry-build/m/other:2.0.0",
            Source::Nowhere,
        ),
    ] {
        let wanted = (name.to_owned(), source);
        assert_eq!(of(version, &deployment), wanted, "{deployment}");
    }
}
