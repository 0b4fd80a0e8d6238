//! Registries of earlier systems, as far as a client sees them.

use crate::house::{House, fixture};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

type Manifests = Arc<Vec<Value>>;

/// The first generation: one file a version, listed by id, asked for by id.
pub(crate) async fn first_generation() -> House {
    let list = async |State(manifests): State<Manifests>| {
        Json(manifests.iter().map(line).collect::<Vec<_>>())
    };
    let one = async |State(manifests): State<Manifests>, Path(id): Path<String>| {
        manifests
            .iter()
            .find(|manifest| line(manifest)["id"] == id.as_str())
            .cloned()
            .map(Json)
            .ok_or(StatusCode::NOT_FOUND)
    };
    House::of(
        Router::new()
            .route("/triggers", get(list))
            .route("/triggers/{id}", get(one))
            .with_state(manifests("flat")),
    )
    .await
}

/// The second: one folder a version, asked for by name and version, the manifest wrapped.
pub(crate) async fn second_generation() -> House {
    let list = async |State(manifests): State<Manifests>| {
        Json(manifests.iter().map(line).collect::<Vec<_>>())
    };
    let versions = async |State(manifests): State<Manifests>, Path(name): Path<String>| {
        let of_name: Vec<Value> = manifests
            .iter()
            .filter(|manifest| manifest["name"] == name.as_str())
            .map(|manifest| json!({"version": manifest["version"], "url": format!("/triggers/{name}")}))
            .collect();
        if of_name.is_empty() {
            Err(StatusCode::NOT_FOUND)
        } else {
            Ok(Json(of_name))
        }
    };
    let one = async |State(manifests): State<Manifests>,
                     Path((name, version)): Path<(String, String)>| {
        let found = manifests
            .iter()
            .find(|it| it["name"] == name.as_str() && it["version"] == version.as_str());
        found
            .map(|manifest| Json(json!({"config": manifest, "metadata": null, "signed": false})))
            .ok_or(StatusCode::NOT_FOUND)
    };
    let router = Router::new()
        .route("/triggers", get(list))
        .route("/triggers/{name}", get(versions))
        .route("/triggers/{name}/{version}", get(one));
    House::of(router.with_state(manifests("nested"))).await
}

/// One that lists texts.
pub(crate) async fn of_texts(texts: Value, manifests: Vec<(&'static str, String)>) -> House {
    let mut router = Router::new().route("/triggers", get(async move || Json(texts)));
    for (path, manifest) in manifests {
        router = router.route(path, get(async move || manifest));
    }
    House::of(router).await
}

/// The manifests of a fixture.
pub(crate) fn manifests(layout: &str) -> Manifests {
    let files = fixture(layout)
        .into_iter()
        .filter(|(path, _)| !path.ends_with("metadata.json"));
    Arc::new(
        files
            .filter_map(|(_, bytes)| serde_json::from_slice(&bytes).ok())
            .collect(),
    )
}

fn line(manifest: &Value) -> Value {
    let (name, version) = (
        manifest["name"].as_str().unwrap(),
        manifest["version"].as_str().unwrap(),
    );
    json!({"id": format!("{name}-{version}"), "name": name, "version": version, "description": manifest["description"]})
}
