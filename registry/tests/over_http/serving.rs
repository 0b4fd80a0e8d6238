//! What the server answers.

use crate::house::{House, fixture, http, package};
use serde_json::{Value, json};

fn of<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    list.as_array()
        .unwrap()
        .iter()
        .filter(|line| line["name"] == name)
        .map(|line| line["version"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_standard_packages_are_served_without_a_file() {
    let house = House::with(&[]).await;
    let list = house.json("/triggers").await;
    for name in [
        "daily-scan",
        "github-pr-webhook",
        "linear-webhook",
        "simple-webhook",
        "webhook",
    ] {
        assert_eq!(of(&list, name).len(), 1, "{name}");
        let path = format!(
            "{}/packages/triggers/{name}-{}.json",
            env!("CARGO_MANIFEST_DIR"),
            of(&list, name)[0]
        );
        let served = house
            .get(&format!("/triggers/{name}"))
            .await
            .bytes()
            .await
            .unwrap();
        assert_eq!(served, std::fs::read(path).unwrap());
    }
    let webhook = list
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["name"] == "github-pr-webhook")
        .unwrap();
    assert_eq!(
        (&webhook["trigger_type"], &webhook["origin"]),
        (&json!("webhook"), &json!("standard"))
    );
    house.end().await;
}

#[tokio::test]
async fn packages_of_earlier_systems_are_served_byte_for_byte_from_both_layouts() {
    for layout in ["flat", "nested"] {
        let house = House::of_fixture(layout).await;
        let catalogue = house.json("/catalog").await;
        assert_eq!(catalogue["invalid"], json!([]), "{layout}");
        let mut served = 0;
        for (path, bytes) in fixture(layout) {
            let Ok(manifest) = serde_json::from_slice::<Value>(&bytes) else {
                continue;
            };
            let (Some(name), Some(version), false) = (
                manifest["name"].as_str(),
                manifest["version"].as_str(),
                path.ends_with("metadata.json"),
            ) else {
                continue;
            };
            for url in [
                format!("/triggers/{name}-{version}"),
                format!("/triggers/{name}/{version}"),
            ] {
                let response = house.get(&url).await;
                assert_eq!(response.headers()["content-type"], "application/json");
                assert_eq!(response.bytes().await.unwrap(), bytes, "{url}");
            }
            served += 1;
        }
        assert!(served >= 4, "{layout} has {served} packages");
        house.end().await;
    }
}

#[tokio::test]
async fn a_signed_package_is_served_with_its_signature_and_its_publishers_key() {
    let house = House::with(&[
        ("triggers/a/1.0.0/trigger.json", &package("a", "1.0.0")),
        (
            "triggers/a/1.0.0/trigger.json.asc",
            "-----BEGIN PGP SIGNATURE-----\n",
        ),
        ("triggers/a/1.0.0/metadata.json", r#"{"publisher": "us"}"#),
        ("triggers/a/1.1.0/trigger.json", &package("a", "1.1.0")),
        (
            "publishers/us/pubkey.asc",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
        ),
        ("publishers/them/metadata.json", "{}"),
    ])
    .await;
    let catalogue = house.json("/catalog").await;
    let lines: Vec<&Value> = catalogue["triggers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["name"] == "a")
        .collect();
    assert_eq!(
        lines.iter().map(|line| &line["signed"]).collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(lines[1]["metadata"], json!({"publisher": "us"}));
    let publishers = json!([{"id": "them", "has_pubkey": false}, {"id": "us", "has_pubkey": true}]);
    assert_eq!(catalogue["publishers"], publishers);
    assert_eq!(house.json("/publishers").await, publishers);

    let signature = house.get("/triggers/a/1.0.0/trigger.json.asc").await;
    assert_eq!(
        signature.headers()["content-type"],
        "application/pgp-signature"
    );
    assert_eq!(
        signature.text().await.unwrap(),
        "-----BEGIN PGP SIGNATURE-----\n"
    );
    assert_eq!(
        house.problem("/triggers/a/1.1.0/trigger.json.asc").await.0,
        404
    );
    assert_eq!(
        house.json("/publishers/us/pubkey").await["public_key"],
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
    );
    let key = house.get("/publishers/us/pubkey.asc").await;
    assert_eq!(key.headers()["content-type"], "application/pgp-keys");
    assert_eq!(house.problem("/publishers/them/pubkey").await.0, 404);
    house.end().await;
}

#[tokio::test]
async fn what_is_broken_is_listed_with_its_reason_and_breaks_nothing_else() {
    let house = House::with(&[
        ("triggers/good-1.0.0.json", &package("good", "1.0.0")),
        ("triggers/good-1.1.0.json", "{\"name\":"),
        ("triggers/liar-1.0.0.json", &package("good", "1.0.0")),
        (
            "triggers/unversioned.json",
            &package("unversioned", "1.0.0"),
        ),
        (
            "triggers/odd-1.0.0.json",
            &package("odd", "1.0.0").replace("manual", "telepathy"),
        ),
        (
            "triggers/nested/latest/trigger.json",
            &package("nested", "1.0.0"),
        ),
        ("triggers/nested/1.0.0/README.md", "what this is"),
        (
            "triggers/twice/1.0.0/trigger.json",
            &package("twice", "1.0.0"),
        ),
        ("triggers/twice-1.0.0.json", &package("twice", "1.0.0")),
        ("triggers/Docs/README.md", "what these are"),
        ("triggers/.hidden.json", "x"),
    ])
    .await;
    let catalogue = house.json("/catalog").await;
    let reason = |file: &str| {
        let invalid = catalogue["invalid"].as_array().unwrap();
        let line = invalid
            .iter()
            .find(|line| line["file"] == file)
            .unwrap_or_else(|| panic!("{file} is not in {invalid:?}"));
        line["reason"].as_str().unwrap().to_owned()
    };
    assert!(reason("triggers/good-1.1.0.json").contains("not JSON"));
    assert!(
        reason("triggers/liar-1.0.0.json")
            .contains("holds 1.0.0 of `good`, and lies where 1.0.0 of `liar` belongs")
    );
    assert!(reason("triggers/unversioned.json").contains("`{name}-{version}.json`"));
    assert!(reason("triggers/odd-1.0.0.json").contains("telepathy"));
    assert!(reason("triggers/nested/latest").contains("semantic version"));
    assert!(reason("triggers/nested/1.0.0").contains("no `trigger.json`"));
    assert!(reason("triggers/twice-1.0.0.json").contains("`triggers/twice/1.0.0/trigger.json`"));
    assert_eq!(catalogue["invalid"].as_array().unwrap().len(), 7);

    let (status, detail) = house.problem("/triggers/odd-1.0.0").await;
    assert!(
        status == 422 && detail.contains("triggers/odd-1.0.0.json") && detail.contains("telepathy"),
        "{status} {detail}"
    );
    assert_eq!(house.problem("/triggers/good/1.1.0").await.0, 422);
    assert_eq!(house.json("/triggers/good").await["version"], "1.0.0");
    assert_eq!(of(&house.json("/triggers").await, "good"), ["1.0.0"]);
    assert_eq!(house.get("/ready").await.status(), 200);
    house.end().await;
}

#[tokio::test]
async fn the_directory_hides_a_standard_package_of_the_same_version() {
    let house = House::with(&[]).await;
    let version = house.json("/triggers/daily-scan").await["version"]
        .as_str()
        .unwrap()
        .to_owned();
    let file = format!("triggers/daily-scan-{version}.json");
    house.write(&file, &package("daily-scan", &version));
    assert_eq!(
        house.json("/triggers/daily-scan").await["trigger"]["type"],
        "manual"
    );
    house.write(&file, "broken");
    assert_eq!(house.problem("/triggers/daily-scan").await.0, 422);
    std::fs::remove_file(house.directory.path().join(&file)).unwrap();
    assert_eq!(
        house.json("/triggers/daily-scan").await["trigger"]["type"],
        "schedule"
    );
    house.end().await;
}

#[tokio::test]
async fn a_pre_release_is_served_only_to_those_who_ask_for_it() {
    let house = House::with(&[
        ("triggers/a-1.9.0.json", &package("a", "1.9.0")),
        ("triggers/a-1.10.0.json", &package("a", "1.10.0")),
        (
            "triggers/a/2.0.0-rc.1/trigger.json",
            &package("a", "2.0.0-rc.1"),
        ),
        ("triggers/b-0.1.0-alpha.json", &package("b", "0.1.0-alpha")),
    ])
    .await;
    assert_eq!(house.json("/triggers/a").await["version"], "1.10.0");
    assert_eq!(
        house.json("/triggers/a-2.0.0-rc.1").await["version"],
        "2.0.0-rc.1"
    );
    assert_eq!(house.json("/triggers/b").await["version"], "0.1.0-alpha");
    assert_eq!(
        of(&house.json("/triggers").await, "a"),
        ["2.0.0-rc.1", "1.10.0", "1.9.0"]
    );
    house.end().await;
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_sent_again() {
    let house = House::with(&[("triggers/a-1.0.0.json", &package("a", "1.0.0"))]).await;
    let first = house.get("/triggers/a-1.0.0").await;
    let etag = first.headers()["etag"].clone();
    let again = |known: String| {
        let request = http()
            .build()
            .unwrap()
            .get(house.url("/triggers/a/1.0.0"))
            .header("if-none-match", known);
        async move { request.send().await.unwrap() }
    };
    let tag = etag.to_str().unwrap();
    for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let response = again(known.clone()).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["etag"]),
            (304, &etag),
            "{known}"
        );
        assert!(response.bytes().await.unwrap().is_empty());
    }
    house.write(
        "triggers/a-1.0.0.json",
        &package("a", "1.0.0").replace("a 1.0.0", "another"),
    );
    let changed = again(tag.to_owned()).await;
    assert_eq!(changed.status(), 200);
    assert_ne!(changed.headers()["etag"], etag);
    assert_eq!(
        changed.json::<Value>().await.unwrap()["description"],
        "another"
    );
    house.end().await;
}
