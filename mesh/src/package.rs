//! Packages: the versioned JSON manifests from which triggers are installed.
//!
//! A manifest is kept as the document that it was, key by key, for registries, history and whoever reads it with other eyes;
//! the accessors give what Belfry acts upon. There are two forms:
//!
//! * **Older manifests** (without a `manifest` key) install unchanged. Keys that Belfry does not know are kept and have no
//!   effect. `action` was documentation: the run gets what the standard triggers extract. `auth.header` picks the scheme.
//! * **Manifest 2** (`"manifest": 2`) is read strictly: a key or word that Belfry does not know is refused, with the place and
//!   the nearest one that it knows, because it is a mistake that nobody would notice. Only `metadata` is free.
//!   `action.params`, if there, is exactly what a run gets. A webhook must say how it is verified, if only
//!   `{"scheme": "none"}`.
//!
//! `null` is as good as a key that is not there, in both forms.

mod auth;
mod delivery;
mod deployment;
mod read;
mod requirements;
mod response;
mod source;
mod update;

pub use crate::document::Error;
pub use crate::name::PackageName;
pub use delivery::Delivery;
pub use deployment::{Build, Check, Deployment, Environment, Limits, Port, Restart, Volume};
pub use requirements::Requirements;
pub use response::Response;
pub use source::{Endpoint, Source, Webhook};
pub use update::Update;

use crate::condition::Condition;
use crate::extract::Extraction;
use crate::template::Templates;
use semver::Version;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The longest manifest that is read, in bytes: far more than any has, and a fraction of what the state takes as one value.
pub const MAX_SIZE: usize = 256 * 1024;

/// A package's manifest. It is written as the document that it was read from.
#[derive(Debug, Clone)]
pub struct Manifest {
    document: Value,
    kind: Kind,
    name: PackageName,
    version: Version,
    publisher: Option<String>,
    description: String,
    tags: Vec<String>,
    requirements: Requirements,
    deployment: Deployment,
    source: Source,
    conditions: Vec<Condition>,
    params: Option<Templates>,
    response: Option<Response>,
    delivery: Delivery,
    update: Update,
    secrets: Vec<String>,
}

/// What a package is. Both are containers that are installed, placed, updated and rolled back by the same means.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A trigger: events go in, a target runs.
    #[default]
    Trigger,
    /// A service, such as an MCP server: it runs, and takes no events.
    Mcp,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error`] if it is too long, not JSON, or says something that Belfry would have to act upon and cannot.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, Error> {
        let text = text.as_ref();
        if text.len() > MAX_SIZE {
            return Err(Error::TooLarge {
                size: text.len(),
                max: MAX_SIZE,
            });
        }
        let document =
            serde_json::from_slice(text).map_err(|error| Error::Syntax(error.to_string()))?;
        read::manifest(document)
    }

    /// The document, with all its keys.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name, one a registry.
    #[must_use]
    pub fn name(&self) -> &PackageName {
        &self.name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The id of who published it.
    #[must_use]
    pub fn publisher(&self) -> Option<&str> {
        self.publisher.as_deref()
    }

    /// What it is for; empty if it does not say.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Words to find it by.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// What it needs of a node.
    #[must_use]
    pub fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// How its container is made.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The environment of its container, not resolved.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.deployment.environment
    }

    /// Where its events come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What must be true of an event, or it is ignored.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// What a run gets, if the package says so itself; otherwise it is what [`Manifest::extraction`] names. Only of manifest 2:
    /// in older ones it was documentation.
    #[must_use]
    pub fn params(&self) -> Option<&Templates> {
        self.params.as_ref()
    }

    /// Which of the standard triggers it is, by its source and scheme.
    #[must_use]
    pub fn extraction(&self) -> Extraction {
        self.source.extraction()
    }

    /// How the sender of a webhook is answered; none: at once, with 202.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.response.as_ref()
    }

    /// How its events are delivered. Only of manifest 2; older ones have the defaults.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// When an update to it counts as failed. Only of manifest 2; older ones have the defaults.
    #[must_use]
    pub fn update(&self) -> Update {
        self.update
    }

    /// The names of all secrets that it uses, sorted: those that it requires, those that it takes if they are set, and those
    /// that verify its webhook.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Whether it can do without this secret.
    #[must_use]
    pub fn is_optional(&self, secret: &str) -> bool {
        self.requirements
            .optional_secrets
            .iter()
            .any(|name| name == secret)
    }
}

impl Kind {
    /// The word for it, as manifests write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Mcp => "mcp",
        }
    }
}

impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl TryFrom<Value> for Manifest {
    type Error = Error;

    fn try_from(document: Value) -> Result<Self, Error> {
        let size = document.to_string().len();
        if size > MAX_SIZE {
            return Err(Error::TooLarge {
                size,
                max: MAX_SIZE,
            });
        }
        read::manifest(document)
    }
}

impl std::str::FromStr for Manifest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Value::deserialize(deserializer)?;
        Self::try_from(document).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
