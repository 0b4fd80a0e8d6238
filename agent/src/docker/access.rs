//! How the engine gets into registries: what `docker login` left on this node.

use super::container::Refusal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

/// The registry of an image that names none.
const HUB: &str = "docker.io";

/// What of Docker's `config.json` is used: not its credential helpers, which are programs.
#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    auths: HashMap<String, Entry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    /// `user:password` in base64.
    auth: Option<SecretString>,
    identitytoken: Option<SecretString>,
}

/// What is kept for the registry of an image, if anything is.
///
/// # Errors
/// If what is kept cannot be read.
pub(super) async fn credentials(
    directory: Option<&Path>,
    image: &str,
) -> Result<Option<DockerCredentials>, Refusal> {
    let Some(path) = directory.map(|directory| directory.join("config.json")) else {
        return Ok(None);
    };
    let unreadable = |why: String| format!("{} cannot be read: {why}", path.display());
    let text = match tokio::fs::read(&path).await {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error.to_string())),
    };
    // Not the parser's own words, which show what is there.
    let file: File = serde_json::from_slice(&text).map_err(|error| {
        unreadable(format!(
            "it is not what `docker login` writes, from line {}, column {} on",
            error.line(),
            error.column()
        ))
    })?;
    Ok(of(&file, image))
}

fn of(file: &File, image: &str) -> Option<DockerCredentials> {
    let registry = registry(image);
    let mut entries = file.auths.iter();
    let (address, entry) = entries.find(|(address, _)| host(address) == registry)?;
    let credentials = DockerCredentials {
        serveraddress: Some(address.clone()),
        ..DockerCredentials::default()
    };
    if let Some(token) = &entry.identitytoken {
        return Some(DockerCredentials {
            identitytoken: Some(token.expose_secret().to_owned()),
            ..credentials
        });
    }
    let both = STANDARD.decode(entry.auth.as_ref()?.expose_secret()).ok()?;
    let both = String::from_utf8(both).ok()?;
    let (user, password) = both.split_once(':')?;
    Some(DockerCredentials {
        username: Some(user.to_owned()),
        password: Some(password.trim_end_matches('\0').to_owned()),
        ..credentials
    })
}

/// The registry that an image is from (<https://pkg.go.dev/github.com/distribution/reference>).
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => HUB,
    }
}

/// The host of a registry's address, which may be a URL.
fn host(address: &str) -> &str {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    match address.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" => HUB,
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file() -> File {
        serde_json::from_value(json!({
            "auths": {
                "https://index.docker.io/v1/": {"auth": "YW5uOmE6Yg=="},
                "registry.example:5000": {"identitytoken": "token"},
                "empty.example": {},
            },
            "credsStore": "desktop",
        }))
        .unwrap()
    }

    #[test]
    fn an_image_is_pulled_with_what_is_kept_for_its_registry_and_no_other() {
        let found = of(&file(), "acme/bell:1").unwrap();
        assert_eq!(
            (found.username.as_deref(), found.password.as_deref()),
            (Some("ann"), Some("a:b"))
        );
        let found = of(&file(), "registry.example:5000/bell").unwrap();
        assert_eq!(found.identitytoken.as_deref(), Some("token"));
        for image in ["registry.example/bell", "empty.example/bell", "localhost/x"] {
            assert!(of(&file(), image).is_none(), "{image}");
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_told_without_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let kept = credentials(Some(directory.path()), "bell").await;
        assert!(kept.unwrap().is_none());
        std::fs::write(
            directory.path().join("config.json"),
            r#"{"auths": "hunter2"}"#,
        )
        .unwrap();
        let refusal = credentials(Some(directory.path()), "bell").await;
        let refusal = refusal.unwrap_err();
        assert!(
            refusal.contains("line 1") && !refusal.contains("hunter2"),
            "{refusal}"
        );
    }
}
