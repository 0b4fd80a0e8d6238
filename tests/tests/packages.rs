//! Packages of earlier systems install unchanged, from either layout of a registry.

use crate::world::{Dev, PATIENCE, SECRET, pull_request, set_secret, signed};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../registry/fixtures")
}

/// Every manifest of the fixtures: flat `{name}-{version}.json` and nested `{name}/{version}/trigger.json`.
fn manifests(directory: &Path) -> Result<Vec<(PathBuf, Value)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(manifests(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let document: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
            if document["type"] == "trigger" {
                found.push((path, document));
            }
        }
    }
    Ok(found)
}

#[tokio::test]
async fn every_old_package_in_a_flat_registry_installs_unchanged() -> Result<()> {
    assert!(install_all("flat").await? >= 4, "too few fixtures");
    Ok(())
}

#[tokio::test]
async fn every_old_package_in_a_nested_registry_installs_unchanged() -> Result<()> {
    assert!(install_all("nested").await? >= 2, "too few fixtures");
    Ok(())
}

/// Installs all packages of a layout and sees them run. Answers how many.
async fn install_all(layout: &str) -> Result<usize> {
    let registry = fixtures().join(layout);
    let dev = Dev::start_with(&["--packages", &registry.to_string_lossy()]).await?;
    let manifests = manifests(&registry)?;
    for (path, document) in &manifests {
        let text = |key: &str| {
            document[key]
                .as_str()
                .with_context(|| format!("no {key} in {}", path.display()))
        };
        for secret in secrets_of(document) {
            set_secret(dev.secrets.path(), secret, SECRET)?;
        }
        let instance = format!("{}-{}", text("name")?, text("version")?.replace('.', "-"));
        let package = format!("{}/{}", text("name")?, text("version")?);
        let body = json!({"workflow_id": "w", "name": instance});
        let answer = dev
            .doors
            .install(&package, body)
            .await
            .with_context(|| path.display().to_string())?;
        assert_eq!(answer["status"], "installed", "{answer}");
        assert_eq!(answer["version"], document["version"]);
        let (_, status) = dev
            .doors
            .console("GET", &format!("/triggers/{instance}/status"), None)
            .await?;
        assert_eq!(
            &status["package"],
            document,
            "{} was changed on its way",
            path.display()
        );
        assert_eq!(status["trigger_type"], document["trigger"]["type"]);
    }
    Ok(manifests.len())
}

fn secrets_of(document: &Value) -> impl Iterator<Item = &str> {
    document["requirements"]["secrets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

#[tokio::test]
async fn an_old_github_package_verifies_and_extracts_as_it_always_did() -> Result<()> {
    let flat = fixtures().join("flat");
    let dev = Dev::start_with(&["--packages", &flat.to_string_lossy()]).await?;
    let (_, document) = manifests(&flat)?
        .into_iter()
        .find(|(_, document)| document["trigger"]["auth"]["header"] == "X-Hub-Signature-256")
        .context("no old package of GitHub's among the fixtures")?;
    let package = format!(
        "{}/{}",
        document["name"].as_str().unwrap_or_default(),
        document["version"].as_str().unwrap_or_default()
    );
    for secret in secrets_of(&document) {
        set_secret(dev.secrets.path(), secret, SECRET)?;
    }
    dev.doors
        .install(&package, json!({"workflow_id": "w", "name": "old"}))
        .await?;
    // What this package's own filter and conditions want.
    let mut body = pull_request(7);
    body["pull_request"]["draft"] = false.into();
    let (status, answer) = dev
        .doors
        .deliver(
            "old",
            signed("github", SECRET, "d-1", serde_json::to_vec(&body)?),
        )
        .await?;
    // As the package itself says, or else 202.
    let said = document["response"]["status"].as_u64().unwrap_or(202);
    assert_eq!(u64::from(status), said, "{answer}");
    dev.orchestrator.calls.wait_for(1, PATIENCE).await;
    let params = &dev.orchestrator.calls.calls()[0].body["params"];
    assert_eq!(
        (&params["github_event"], &params["pr_number"]),
        (&json!("pull_request"), &json!(7)),
        "{params}"
    );
    Ok(())
}
