//! Where packages come from.

use crate::package::{Kind, Manifest, PackageName};
use async_trait::async_trait;
use semver::Version;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// A package as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The id of the registry that it was found in.
    pub registry: String,
    /// The package.
    pub manifest: Arc<Manifest>,
}

/// A line of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What it is.
    pub kind: Kind,
    /// The package's name.
    pub name: String,
    /// Its newest version.
    pub version: String,
    /// All versions, newest first.
    pub versions: Vec<String>,
    /// What it is for.
    pub description: String,
    /// Who published it.
    pub publisher: String,
    /// The source of its events.
    pub trigger_type: String,
    /// The id of the registry that has it.
    pub registry: String,
}

/// Why a package cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No enabled registry has it.
    #[error("package `{reference}` is in none of the registries ({}); `belfry packages` lists what there is", searched.join(", "))]
    NotFound {
        /// What was asked for.
        reference: String,
        /// The ids of the registries that answered.
        searched: Vec<String>,
    },
    /// No registry has that id.
    #[error("there is no registry `{asked}`; configured: {}", known.join(", "))]
    UnknownRegistry {
        /// What was asked for.
        asked: String,
        /// The ids of the registries.
        known: Vec<String>,
    },
    /// A registry did not answer, so whether it has the package is not known.
    #[error("registry `{registry}` at {url} did not answer: {why}")]
    Unavailable {
        /// The registry's id.
        registry: String,
        /// Its address.
        url: String,
        /// What happened.
        why: String,
    },
    /// The registry has something that is not a package.
    #[error("registry `{registry}` serves `{reference}`, which is not a valid package: {why}")]
    Invalid {
        /// The registry's id.
        registry: String,
        /// What was asked for.
        reference: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The registries, in their order of priority.
#[async_trait]
pub trait Packages: Send + Sync {
    /// The package of this kind and name, in this version or the newest (a pre-release only if it is asked for or nothing else is
    /// there), from the named registry or the first that has it.
    ///
    /// # Errors
    /// See [`Error`].
    async fn find(
        &self,
        kind: Kind,
        name: &PackageName,
        version: Option<&Version>,
        registry: Option<&str>,
    ) -> Result<Found, Error>;

    /// What all registries have, those that answer.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if none answers.
    async fn list(&self) -> Result<Vec<Listed>, Error>;
}

/// `{name}` or `{name}-{version}`, as existing clients write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The package.
    pub name: PackageName,
    /// The version, or the newest.
    pub version: Option<Version>,
}

impl Reference {
    /// Splits at the first `-` behind which a semantic version stands, so that `a-1.0.0-rc.1` is version `1.0.0-rc.1` of `a`.
    ///
    /// # Errors
    /// If the name is not one.
    pub fn parse(text: &str) -> Result<Self, crate::package::Error> {
        for (at, _) in text.match_indices('-') {
            if let Ok(version) = Version::parse(&text[at + 1..]) {
                return Ok(Self {
                    name: PackageName::parse(&text[..at])?,
                    version: Some(version),
                });
            }
        }
        Ok(Self {
            name: PackageName::parse(text)?,
            version: None,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}-{version}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_split_where_the_version_begins() {
        for (text, name, version) in [
            (
                "github-pr-webhook-1.0.0",
                "github-pr-webhook",
                Some("1.0.0"),
            ),
            ("a-1.0.0-rc.1", "a", Some("1.0.0-rc.1")),
            ("s3-2-events", "s3-2-events", None),
            ("daily-scan", "daily-scan", None),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.name.as_str(), name);
            assert_eq!(reference.version.map(|v| v.to_string()).as_deref(), version);
        }
        assert!(Reference::parse("../etc/passwd").is_err());
    }
}
