//! Mistakes in a configuration.

use super::place::Place;
use crate::document::unknown;
use http::HeaderName;
use std::borrow::Cow;
use std::fmt::Display;

/// Why a scheme or its secrets cannot be taken. No message repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such word here; the text says which are known, and which is near.
    #[error("{0}")]
    Unknown(String),
    /// A key that the scheme needs is not there.
    #[error("scheme `{scheme}` needs {keys}")]
    MissingKey {
        /// The scheme.
        scheme: &'static str,
        /// The key, or those of which one is needed, in backticks.
        keys: &'static str,
    },
    /// A key is there that the scheme does not read.
    #[error("scheme `{scheme}` takes no `{key}`: remove it")]
    UnreadKey {
        /// The scheme.
        scheme: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key has a value that it cannot have.
    #[error("`{key}`: {why}")]
    InvalidKey {
        /// The key.
        key: &'static str,
        /// What is wrong, and what is allowed.
        why: String,
    },
    /// The place that holds the secret is also to name deliveries or events, which are stored and shown.
    #[error("{0} holds the secret, so it cannot name deliveries or events")]
    SecretAsName(Place),
    /// Something else than a reference stands where a secret is named.
    #[error(
        "a secret is named, never written: write `${{NAME}}` (letters, digits and `_`, not beginning with a digit), and set NAME on \
         the node"
    )]
    LiteralSecret,
    /// The scheme needs a secret and names or gets none.
    #[error("scheme `{0}` needs a secret, and there is none")]
    SecretMissing(&'static str),
    /// The scheme proves nothing and is given a secret nevertheless.
    #[error(
        "scheme `{0}` takes no secret: name the scheme that your sender signs with, or remove the secret"
    )]
    SecretUnread(&'static str),
    /// None of the secrets that are named is set.
    #[error("none of the secrets of scheme `{scheme}` is set: `{names}`")]
    NoneSet {
        /// The scheme.
        scheme: &'static str,
        /// Their names.
        names: String,
    },
    /// Only the provider can sign.
    #[error(
        "scheme `{0}` is signed with the provider's private key, so nobody else can sign a delivery"
    )]
    Private(&'static str),
    /// A secret is set and empty.
    #[error("secret {number} of scheme `{scheme}` is empty")]
    SecretEmpty {
        /// The scheme.
        scheme: &'static str,
        /// Which of the secrets, from 1.
        number: usize,
    },
    /// A secret or a public key is not written as the scheme writes them.
    #[error(
        "key {number} of scheme `{scheme}` is not {expected}: copy it whole, as the provider shows it"
    )]
    SecretMalformed {
        /// The scheme.
        scheme: &'static str,
        /// Which of the keys, from 1.
        number: usize,
        /// How the scheme writes them.
        expected: Cow<'static, str>,
    },
    /// A certificate cannot be used.
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
    /// A value to be sent cannot stand in a header.
    #[error("the value for header `{0}` cannot stand in a header: it has control characters")]
    NoHeader(HeaderName),
}

impl Error {
    pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> Self {
        Self::Unknown(unknown(what, word, known))
    }

    pub(super) fn invalid(key: &'static str, why: impl Display) -> Self {
        Self::InvalidKey {
            key,
            why: why.to_string(),
        }
    }
}
