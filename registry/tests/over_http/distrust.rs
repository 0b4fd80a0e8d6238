//! What a client does not take from a registry, and what it does not give away.

use crate::finding::find;
use crate::house::{House, client, entry, package};
use crate::older;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::get;
use belfry_mesh::package::MAX_SIZE;
use belfry_mesh::port::packages::Error;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn what_is_not_the_package_that_was_asked_for_is_refused_and_not_looked_for_elsewhere() {
    let wrong = older::of_texts(
        json!(["gone-1.0.0"]),
        vec![
            ("/triggers/a-1.0.0", package("b", "1.0.0")),
            ("/triggers/a-2.0.0", package("a", "1.0.0")),
            ("/triggers/page-1.0.0", "<html>".to_owned()),
            ("/triggers/huge-1.0.0", " ".repeat(MAX_SIZE + 1)),
        ],
    )
    .await;
    let house = House::with(&[
        ("triggers/a-1.0.0.json", &package("a", "1.0.0")),
        (
            "triggers/odd-1.0.0.json",
            &package("odd", "1.0.0").replace("manual", "telepathy"),
        ),
    ])
    .await;
    let client = client([wrong.entry("wrong", 1), house.entry("house", 2)]);
    for (name, version, registry, reason) in [
        ("a", Some("1.0.0"), "wrong", "it is `b-1.0.0`"),
        ("a", Some("2.0.0"), "wrong", "it is `a-1.0.0`"),
        ("page", Some("1.0.0"), "wrong", "not JSON"),
        ("huge", Some("1.0.0"), "wrong", "longer than 262144 bytes"),
        ("gone", None, "wrong", "not to be had"),
        ("odd", Some("1.0.0"), "house", "telepathy"),
        ("odd", None, "house", "telepathy"),
    ] {
        let error = find(&client, name, version, None).await.unwrap_err();
        assert!(
            matches!(&error, Error::Invalid { registry: at, why, .. } if at == registry && why.contains(reason)),
            "{name} {version:?}: {error}"
        );
    }
    wrong.end().await;
    house.end().await;
}

#[tokio::test]
async fn a_redirect_is_followed_within_its_origin_and_never_out_of_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let other = House::of(Router::new().fallback(get(async move || {
        count.fetch_add(1, Ordering::Relaxed);
        package("a", "1.0.0")
    })))
    .await;
    let away = other.url("/triggers/a-1.0.0").to_string();
    let router = Router::new()
        .route(
            "/triggers/a-1.0.0",
            get(async move || Redirect::temporary(&away)),
        )
        .route(
            "/triggers/b-1.0.0",
            get(async || Redirect::permanent("/moved")),
        )
        .route("/moved", get(async || package("b", "1.0.0")))
        .route(
            "/triggers/c-1.0.0",
            get(async || Redirect::temporary("/triggers/c-1.0.0")),
        );
    let house = House::of(router).await;
    let client = client([house.entry("house", 1)]);
    assert_eq!(
        find(&client, "b", Some("1.0.0"), None).await.unwrap(),
        "house 1.0.0"
    );
    for (name, reason) in [("a", "another server"), ("c", "more than 5 times")] {
        let error = find(&client, name, Some("1.0.0"), None).await.unwrap_err();
        assert!(
            matches!(&error, Error::Unavailable { why, .. } if why.contains(reason)),
            "{error}"
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    house.end().await;
    other.end().await;
}

#[tokio::test]
async fn a_login_reaches_its_registry_and_no_error() {
    let answer = async |headers: HeaderMap| match headers.get("authorization") {
        // reader:s3cret
        Some(login) if login == "Basic cmVhZGVyOnMzY3JldA==" => Ok(package("a", "1.0.0")),
        _ => Err(StatusCode::UNAUTHORIZED),
    };
    let house = House::of(Router::new().route("/below/here/triggers/a-1.0.0", get(answer))).await;
    let with = |login: &str| {
        client([entry(
            "house",
            &format!("http://{login}@{}/below/here/", house.at),
            1,
        )])
    };
    assert_eq!(
        find(&with("reader:s3cret"), "a", Some("1.0.0"), None)
            .await
            .unwrap(),
        "house 1.0.0"
    );
    let at = house.at;
    let refused = find(&with("reader:wr0ng"), "a", Some("1.0.0"), None)
        .await
        .unwrap_err();
    let shown = format!("{:?}", with("reader:wr0ng"));
    house.end().await;
    let away = client([entry(
        "house",
        &format!("http://reader:wr0ng@{at}/below/here/"),
        1,
    )]);
    let unreachable = find(&away, "a", None, None).await.unwrap_err();
    for said in [
        refused.to_string(),
        format!("{refused:?}"),
        unreachable.to_string(),
        format!("{unreachable:?}"),
        shown,
    ] {
        assert!(
            !said.contains("wr0ng") && !said.contains("reader"),
            "{said}"
        );
        assert!(said.contains("/below/here"), "{said}");
    }
}
