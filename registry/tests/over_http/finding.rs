//! What the client finds, and where.

use crate::house::{House, client, entry, listen, nobody, package};
use crate::older;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use belfry_mesh::package::{Kind, PackageName};
use belfry_mesh::port::packages::{Error, Packages};
use belfry_registry::Client;
use belfry_registry::client::DEADLINE;
use belfry_registry::registries::Registry;
use semver::Version;
use serde_json::json;
use std::time::Instant;

/// `{registry} {version}` of the trigger that was found.
pub(crate) async fn find(
    client: &Client,
    name: &str,
    version: Option<&str>,
    registry: Option<&str>,
) -> Result<String, Error> {
    find_kind(client, Kind::Trigger, name, version, registry).await
}

/// The same of a package of this kind.
pub(crate) async fn find_kind(
    client: &Client,
    kind: Kind,
    name: &str,
    version: Option<&str>,
    registry: Option<&str>,
) -> Result<String, Error> {
    let version = version.map(|text| Version::parse(text).unwrap());
    let found = client
        .find(
            kind,
            &PackageName::parse(name).unwrap(),
            version.as_ref(),
            registry,
        )
        .await?;
    Ok(format!("{} {}", found.registry, found.manifest.version()))
}

#[tokio::test]
async fn the_first_registry_by_priority_that_has_it_wins_even_with_an_older_version() {
    let first = House::with(&[("triggers/a-1.0.0.json", &package("a", "1.0.0"))]).await;
    let second = House::with(&[
        ("triggers/a-2.0.0.json", &package("a", "2.0.0")),
        ("triggers/b-1.0.0.json", &package("b", "1.0.0")),
        ("triggers/b-1.1.0-rc.1.json", &package("b", "1.1.0-rc.1")),
    ])
    .await;
    let off = Registry {
        enabled: false,
        ..first.entry("off", 0)
    };
    let client = client([second.entry("second", 20), first.entry("first", 10), off]);
    for (name, version, registry, expected) in [
        ("a", None, None, "first 1.0.0"),
        ("a", Some("2.0.0"), None, "second 2.0.0"),
        ("a", None, Some("second"), "second 2.0.0"),
        ("b", None, None, "second 1.0.0"),
        ("b", Some("1.1.0-rc.1"), None, "second 1.1.0-rc.1"),
    ] {
        assert_eq!(
            find(&client, name, version, registry).await.unwrap(),
            expected,
            "{name} {version:?} {registry:?}"
        );
    }
    let searched = vec!["first".to_owned(), "second".to_owned()];
    assert_eq!(
        find(&client, "c", Some("1.0.0"), None).await,
        Err(Error::NotFound {
            reference: "c-1.0.0".to_owned(),
            searched: searched.clone()
        })
    );
    assert_eq!(
        find(&client, "b", None, Some("first")).await,
        Err(Error::NotFound {
            reference: "b".to_owned(),
            searched: vec!["first".to_owned()]
        })
    );
    assert_eq!(
        find(&client, "a", None, Some("off")).await,
        Err(Error::UnknownRegistry {
            asked: "off".to_owned(),
            known: searched
        })
    );
    first.end().await;
    second.end().await;
}

#[tokio::test]
async fn a_registry_that_is_away_matters_only_if_no_other_has_the_package() {
    let house = House::with(&[("triggers/a-1.0.0.json", &package("a", "1.0.0"))]).await;
    let client = client([nobody("away", 1).await, house.entry("house", 2)]);
    assert_eq!(find(&client, "a", None, None).await.unwrap(), "house 1.0.0");
    let error = find(&client, "b", None, None).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable { registry, why, .. } if registry == "away" && why.contains("refused")),
        "{error}"
    );
    assert!(matches!(
        find(&client, "a", None, Some("away")).await,
        Err(Error::Unavailable { .. })
    ));
    assert!(matches!(
        find(&client, "b", None, Some("house")).await,
        Err(Error::NotFound { .. })
    ));
    house.end().await;
}

#[tokio::test]
async fn a_registry_that_never_answers_is_given_up() {
    let (listener, at) = listen().await;
    let client = client([entry("mute", &format!("http://{at}"), 1)]);
    let asked = Instant::now();
    let error = find(&client, "a", Some("1.0.0"), None).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(
        asked.elapsed() >= DEADLINE && asked.elapsed() < DEADLINE * 2,
        "{:?}",
        asked.elapsed()
    );
    drop(listener);
}

#[tokio::test]
async fn the_catalogue_is_that_of_all_registries_that_answer() {
    let first = House::with(&[("triggers/a-1.0.0.json", &package("a", "1.0.0"))]).await;
    let second = House::with(&[
        ("triggers/a-2.0.0.json", &package("a", "2.0.0")),
        ("triggers/a-2.1.0-rc.1.json", &package("a", "2.1.0-rc.1")),
        ("triggers/broken-1.0.0.json", "{"),
    ])
    .await;
    let listed = client([
        second.entry("second", 2),
        nobody("away", 0).await,
        first.entry("first", 1),
    ])
    .list()
    .await
    .unwrap();
    let of_a: Vec<_> = listed.iter().filter(|line| line.name == "a").collect();
    assert_eq!(
        of_a.iter()
            .map(|line| (line.registry.as_str(), line.version.as_str()))
            .collect::<Vec<_>>(),
        [("first", "1.0.0"), ("second", "2.0.0")]
    );
    assert_eq!(of_a[1].versions, ["2.1.0-rc.1", "2.0.0"]);
    assert_eq!(
        (of_a[1].description.as_str(), of_a[1].trigger_type.as_str()),
        ("a 2.0.0", "manual")
    );
    assert!(
        listed.is_sorted_by_key(|line| &line.name)
            && listed.iter().all(|line| line.name != "broken")
    );
    let error = client([nobody("away", 0).await]).list().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    first.end().await;
    second.end().await;
}

#[tokio::test]
async fn packages_are_found_unchanged_in_registries_of_every_generation() {
    let present = [
        House::of_fixture("flat").await,
        House::of_fixture("nested").await,
    ];
    let [flat, nested] = &present;
    let (first, second) = (
        older::first_generation().await,
        older::second_generation().await,
    );
    for (house, layout) in [
        (flat, "flat"),
        (nested, "nested"),
        (&first, "flat"),
        (&second, "nested"),
    ] {
        let client = client([house.entry("house", 1)]);
        for manifest in older::manifests(layout).iter() {
            let name = PackageName::parse(manifest["name"].as_str().unwrap()).unwrap();
            let version = Version::parse(manifest["version"].as_str().unwrap()).unwrap();
            let found = client
                .find(Kind::Trigger, &name, Some(&version), None)
                .await
                .unwrap();
            assert_eq!(found.manifest.document(), manifest);
            if house.at == first.at || house.at == second.at {
                assert_eq!(
                    client
                        .find(Kind::Trigger, &name, None, None)
                        .await
                        .unwrap()
                        .manifest
                        .document(),
                    manifest
                );
            }
        }
        assert!(matches!(
            find(&client, "none", None, None).await,
            Err(Error::NotFound { .. })
        ));
    }
    for house in present.into_iter().chain([first, second]) {
        house.end().await;
    }
}

#[tokio::test]
async fn a_list_of_texts_is_understood_with_and_without_versions() {
    let house = older::of_texts(
        json!(["a-1.0.0", "a-1.2.0", "b", 7]),
        vec![
            ("/triggers/a-1.2.0", package("a", "1.2.0")),
            ("/triggers/b", package("b", "0.3.0")),
        ],
    )
    .await;
    let client = client([house.entry("old", 1)]);
    assert_eq!(find(&client, "a", None, None).await.unwrap(), "old 1.2.0");
    assert_eq!(find(&client, "b", None, None).await.unwrap(), "old 0.3.0");
    let listed = client.list().await.unwrap();
    let lines: Vec<_> = listed
        .iter()
        .map(|line| (line.name.as_str(), line.version.as_str()))
        .collect();
    assert_eq!(lines, [("a", "1.2.0"), ("b", "")]);
    house.end().await;
}

#[tokio::test]
async fn a_wrong_address_is_said_to_be_wrong() {
    let elsewhere = House::of(Router::new().route("/", get(async || "hello"))).await;
    let page = House::of(Router::new().fallback(get(async || "hello"))).await;
    let busy =
        House::of(Router::new().fallback(get(async || StatusCode::SERVICE_UNAVAILABLE))).await;
    for (house, reason) in [
        (&elsewhere, "is `baseurl` right?"),
        (&page, "not a list of packages"),
        (&busy, "status 503"),
    ] {
        for kind in [Kind::Trigger, Kind::Mcp] {
            let error = find_kind(&client([house.entry("x", 1)]), kind, "a", None, None)
                .await
                .unwrap_err();
            assert!(
                matches!(&error, Error::Unavailable { why, .. } if why.contains(reason)),
                "{error}"
            );
        }
    }
    for house in [elsewhere, page, busy] {
        house.end().await;
    }
}
