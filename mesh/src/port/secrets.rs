//! Where secrets come from. They are resolved on the node that uses them, and go nowhere from there.

use async_trait::async_trait;
use secrecy::SecretString;

/// Why a secret could not be looked up. That it is not set is not an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret `{name}` cannot be read: {why}")]
pub struct Error {
    /// The secret's name.
    pub name: String,
    /// What happened.
    pub why: String,
}

/// The secrets of this node.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secret of this name as it is now, verbatim, or `None` if it is not set.
    ///
    /// # Errors
    /// [`Error`] if it is there and cannot be read.
    async fn resolve(&self, name: &str) -> Result<Option<SecretString>, Error>;
}
