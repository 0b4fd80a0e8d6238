//! Triggers and services side by side.

use crate::finding::find_kind;
use crate::house::{House, client, mcp, nobody, package};
use crate::older;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use belfry_mesh::package::Kind;
use belfry_mesh::port::packages::{Error, Packages};
use serde_json::{Value, json};

/// The lines of a name in a list, as `{type} {version} {trigger_type} {signed}`.
fn of(list: &Value, name: &str) -> Vec<String> {
    let lines = list.as_array().unwrap().iter();
    lines
        .filter(|line| line["name"] == name)
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap();
            let (kind, version, source) = (text("type"), text("version"), text("trigger_type"));
            format!("{kind} {version} {source} {}", line["signed"])
        })
        .collect()
}

async fn with_both() -> House {
    House::with(&[
        ("triggers/probe-1.0.0.json", &package("probe", "1.0.0")),
        ("mcps/probe-2.0.0.json", &mcp("probe", "2.0.0")),
        ("mcps/probe-2.1.0-rc.1.json", &mcp("probe", "2.1.0-rc.1")),
        ("mcps/files/0.3.0/mcp.json", &mcp("files", "0.3.0")),
        ("mcps/files/0.3.0/mcp.json.asc", "signed\n"),
        ("mcps/files/0.3.0/metadata.json", r#"{"stars": 5}"#),
    ])
    .await
}

#[tokio::test]
async fn services_are_served_beside_triggers_from_both_layouts() {
    let house = with_both().await;
    for (path, text) in [
        ("/mcps/probe", mcp("probe", "2.0.0")),
        ("/mcps/probe-2.1.0-rc.1", mcp("probe", "2.1.0-rc.1")),
        ("/mcps/probe/2.0.0", mcp("probe", "2.0.0")),
        ("/mcps/files", mcp("files", "0.3.0")),
        ("/mcps/files-0.3.0", mcp("files", "0.3.0")),
        ("/triggers/probe", package("probe", "1.0.0")),
    ] {
        let response = house.get(path).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        assert!(response.headers().contains_key("etag"), "{path}");
        assert_eq!(response.text().await.unwrap(), text, "{path}");
    }
    let signature = house.get("/mcps/files/0.3.0/mcp.json.asc").await;
    assert_eq!(
        signature.headers()["content-type"],
        "application/pgp-signature"
    );
    assert_eq!(signature.text().await.unwrap(), "signed\n");

    let (triggers, mcps) = (house.json("/triggers").await, house.json("/mcps").await);
    assert_eq!(of(&triggers, "probe"), ["trigger 1.0.0 manual false"]);
    assert_eq!(
        of(&mcps, "probe"),
        ["mcp 2.1.0-rc.1 none false", "mcp 2.0.0 none false"]
    );
    assert_eq!(of(&mcps, "files"), ["mcp 0.3.0 none true"]);
    assert_eq!(mcps.as_array().unwrap().len(), 3, "{mcps}");

    let catalogue = house.json("/catalog").await;
    assert_eq!(
        of(&catalogue["triggers"], "probe"),
        ["trigger 1.0.0 manual false"]
    );
    assert_eq!(catalogue["mcps"].as_array().unwrap().len(), 3);
    assert_eq!(catalogue["mcps"][0]["metadata"], json!({"stars": 5}));
    assert_eq!(catalogue["invalid"], json!([]));
    house.end().await;
}

#[tokio::test]
async fn a_package_is_not_to_be_had_as_one_of_the_other_kind() {
    let house = with_both().await;
    for (path, what) in [
        ("/triggers/files", "no trigger package `files`"),
        ("/triggers/probe/2.0.0", "no trigger package `probe-2.0.0`"),
        ("/mcps/probe/1.0.0", "no mcp package `probe-1.0.0`"),
        ("/mcps/daily-scan", "no mcp package `daily-scan`"),
        ("/mcps/probe/2.0.0/mcp.json.asc", "no signature"),
        (
            "/mcps/files/0.3.0/trigger.json.asc",
            "there is nothing at this path",
        ),
    ] {
        let (status, detail) = house.problem(path).await;
        assert!(status == 404 && detail.contains(what), "{path}: {detail}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_package_in_the_folder_of_the_other_kind_is_refused_with_its_place() {
    let house = House::with(&[
        ("triggers/files-0.3.0.json", &mcp("files", "0.3.0")),
        ("mcps/a-1.0.0.json", &package("a", "1.0.0")),
        ("mcps/b/1.0.0/mcp.json", &package("b", "1.0.0")),
        ("mcps/c/1.0.0/trigger.json", &mcp("c", "1.0.0")),
        (
            "mcps/d-1.0.0.json",
            &mcp("d", "1.0.0").replace("\"image\"", "\"memory\""),
        ),
        ("mcps/unversioned.json", &mcp("unversioned", "1.0.0")),
    ])
    .await;
    let catalogue = house.json("/catalog").await;
    assert_eq!(catalogue["mcps"], json!([]));
    let invalid = catalogue["invalid"].as_array().unwrap();
    for (file, reason) in [
        (
            "triggers/files-0.3.0.json",
            "its `type` is `mcp`, and it lies among the triggers; its place is `mcps`",
        ),
        (
            "mcps/a-1.0.0.json",
            "its `type` is `trigger`, and it lies among the mcps; its place is `triggers`",
        ),
        ("mcps/b/1.0.0/mcp.json", "its place is `triggers`"),
        ("mcps/c/1.0.0", "there is no `mcp.json` in it"),
        ("mcps/d-1.0.0.json", "an mcp needs an `image`"),
        ("mcps/unversioned.json", "`{name}-{version}.json`"),
    ] {
        let line = invalid.iter().find(|line| line["file"] == file);
        let said = line.and_then(|line| line["reason"].as_str());
        assert!(
            said.is_some_and(|said| said.contains(reason)),
            "{file}: {invalid:?}"
        );
    }
    assert_eq!(invalid.len(), 6);
    for path in ["/triggers/files", "/mcps/a-1.0.0", "/mcps/b/1.0.0"] {
        let (status, detail) = house.problem(path).await;
        assert!(
            status == 422 && detail.contains("its place is"),
            "{path}: {status} {detail}"
        );
    }
    house.end().await;
}

#[tokio::test]
async fn the_client_finds_what_is_of_the_kind_that_it_is_asked_for() {
    let house = with_both().await;
    let other = House::with(&[("mcps/probe-9.0.0.json", &mcp("probe", "9.0.0"))]).await;
    let client = client([other.entry("other", 2), house.entry("house", 1)]);
    for (kind, name, version, registry, expected) in [
        (Kind::Trigger, "probe", None, None, "house 1.0.0"),
        (Kind::Mcp, "probe", None, None, "house 2.0.0"),
        (Kind::Mcp, "probe", Some("9.0.0"), None, "other 9.0.0"),
        (Kind::Mcp, "probe", None, Some("other"), "other 9.0.0"),
        (
            Kind::Mcp,
            "probe",
            Some("2.1.0-rc.1"),
            None,
            "house 2.1.0-rc.1",
        ),
        (Kind::Mcp, "files", Some("0.3.0"), None, "house 0.3.0"),
    ] {
        let found = find_kind(&client, kind, name, version, registry).await;
        assert_eq!(found.unwrap(), expected, "{kind:?} {name} {version:?}");
    }
    for (kind, name) in [(Kind::Trigger, "files"), (Kind::Mcp, "daily-scan")] {
        let error = find_kind(&client, kind, name, None, None)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
    house.end().await;
    other.end().await;
}

#[tokio::test]
async fn the_catalogue_of_all_registries_says_what_each_package_is() {
    let house = with_both().await;
    let old = older::first_generation().await;
    let client = client([
        house.entry("house", 1),
        old.entry("old", 2),
        nobody("away", 3).await,
    ]);
    let listed = client.list().await.unwrap();
    let of = |name: &str| {
        let lines = listed.iter().filter(|line| line.name == name);
        lines
            .map(|line| {
                (
                    line.kind,
                    line.registry.as_str(),
                    line.version.as_str(),
                    line.trigger_type.as_str(),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("probe"),
        [
            (Kind::Trigger, "house", "1.0.0", "manual"),
            (Kind::Mcp, "house", "2.0.0", "none")
        ]
    );
    assert_eq!(of("files"), [(Kind::Mcp, "house", "0.3.0", "none")]);
    assert_eq!(
        of("daily-scan"),
        [
            (Kind::Trigger, "house", "1.0.0", "schedule"),
            (Kind::Trigger, "old", "1.0.0", "")
        ]
    );
    house.end().await;
    old.end().await;
}

#[tokio::test]
async fn a_registry_of_an_earlier_system_has_no_services_and_its_triggers_are_there_all_the_same() {
    let list = async || axum::Json(json!([{"name": "a", "version": "1.0.0"}]));
    // Some answer what they do not know with no 404.
    for status in [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN, StatusCode::OK] {
        let router = Router::new()
            .route("/triggers", get(list))
            .fallback(get(async move || (status, "hello")));
        let house = House::of(router).await;
        let client = client([house.entry("old", 1)]);
        let listed = client.list().await.unwrap();
        assert_eq!(listed.len(), 1, "{status}: {listed:?}");
        assert_eq!(
            (listed[0].kind, listed[0].name.as_str()),
            (Kind::Trigger, "a")
        );
        let error = find_kind(&client, Kind::Mcp, "b", None, None)
            .await
            .unwrap_err();
        let is_known = matches!(error, Error::NotFound { .. });
        assert_eq!(
            is_known,
            status == StatusCode::NOT_FOUND,
            "{status}: {error}"
        );
        house.end().await;
    }
}

#[tokio::test]
async fn what_says_it_is_of_the_other_kind_is_not_taken_from_a_registry() {
    let list = async || {
        axum::Json(json!([
            {"name": "a", "version": "1.0.0", "type": "mcp"},
            {"name": "b", "version": "1.0.0", "type": "trigger"},
            {"name": "c", "version": "1.0.0", "type": "webhook"},
            {"name": "d", "version": "1.0.0", "type": {"name": "x"}},
        ]))
    };
    let wrong = House::of(
        Router::new()
            .route("/triggers", get(list))
            .route("/triggers/b-1.0.0", get(async || mcp("b", "1.0.0")))
            .route("/mcps/a-1.0.0", get(async || package("a", "1.0.0"))),
    )
    .await;
    let client = client([wrong.entry("wrong", 1)]);
    let listed = client.list().await.unwrap();
    let names: Vec<_> = listed.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["b", "c", "d"]);
    for (kind, name, reason) in [
        (
            Kind::Trigger,
            "b",
            "its `type` is `mcp`, and it lies among the triggers",
        ),
        (
            Kind::Mcp,
            "a",
            "its `type` is `trigger`, and it lies among the mcps",
        ),
    ] {
        let error = find_kind(&client, kind, name, Some("1.0.0"), None)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Invalid { why, .. } if why.contains(reason)),
            "{error}"
        );
    }
    wrong.end().await;
}
