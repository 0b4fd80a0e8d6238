//! The secrets of this node: files of a directory, then the environment.

use async_trait::async_trait;
use belfry_mesh::port::secrets::{Error, Secrets};
use secrecy::SecretString;
use std::io::ErrorKind;
use std::path::PathBuf;

/// One file a secret in a directory, as Docker and Kubernetes mount them; what is not there is taken from the environment.
/// Belfry's own settings are not secrets of a package, so `BELFRY_*` is never given out.
#[derive(Debug, Clone)]
pub struct Node {
    directory: PathBuf,
}

impl Node {
    /// The secrets in this directory, which need not be there, and of the environment.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }
}

#[async_trait]
impl Secrets for Node {
    async fn resolve(&self, name: &str) -> Result<Option<SecretString>, Error> {
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if name.is_empty() || name.starts_with('.') || !plain || name.starts_with("BELFRY_") {
            return Ok(None);
        }
        let path = self.directory.join(name);
        match tokio::fs::read_to_string(&path).await {
            // Editors and `echo` end a file with a newline that is no part of the secret.
            Ok(text) => Ok(Some(
                text.strip_suffix('\n').unwrap_or(&text).to_owned().into(),
            )),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(std::env::var(name).ok().map(SecretString::from))
            }
            Err(error) => Err(Error {
                name: name.to_owned(),
                why: format!("{}: {error}", path.display()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[tokio::test]
    async fn a_file_comes_before_the_environment_and_nothing_outside_is_read() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("TOKEN"), "from file \n").unwrap();
        let node = Node::new(directory.path().join("."));
        assert_eq!(
            node.resolve("TOKEN")
                .await
                .unwrap()
                .unwrap()
                .expose_secret(),
            "from file "
        );
        assert_eq!(
            node.resolve("PATH").await.unwrap().unwrap().expose_secret(),
            std::env::var("PATH").unwrap()
        );
        for outside in [
            "",
            "../TOKEN",
            "/etc/passwd",
            ".",
            "BELFRY_NATS_URL",
            "NOT_SET_ANYWHERE",
        ] {
            assert!(node.resolve(outside).await.unwrap().is_none(), "{outside}");
        }
    }
}
