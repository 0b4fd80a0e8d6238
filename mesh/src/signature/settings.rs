//! A scheme as it is written in a manifest.

use super::recipe::{Naming, Place, Proof, Recipe};
use super::{Error, providers::PROVIDERS};
use crate::path::Path;
use http::HeaderName;
use http::header::AUTHORIZATION;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// The names of the schemes that are no provider's.
const PLAIN: [&str; 5] = ["none", "hmac", "secret", "bearer", "token"];
/// The keys that each of them reads.
const NAMES: [&str; 3] = [
    "delivery_id_header",
    "delivery_id_path",
    "event_type_header",
];

/// The `auth` object of a manifest. A key that a scheme does not read is refused: it would be a mistake that nobody notices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) scheme: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<Written>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) algorithm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp_header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tolerance_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delivery_id_header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delivery_id_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_type_header: Option<String>,
}

/// The reference to a secret, or several during a rotation, as written. It is read into anything, so that no message of the
/// parser repeats a secret that somebody wrote in its place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Written {
    One(String),
    Many(Vec<String>),
    #[serde(skip_serializing)]
    Other(Anything),
}

/// A value that is no reference; what it was is not kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(reader).map(|_| Self)
    }
}

/// Without the text, which may be a secret.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written(..)")
    }
}

impl Settings {
    /// The recipes that these settings ask for, and the scheme's name.
    pub(super) fn recipes(&self) -> Result<(&'static str, Vec<Recipe>), Error> {
        if let Some(provider) = PROVIDERS
            .iter()
            .find(|provider| provider.name == self.scheme)
        {
            self.refuse_others(provider.name, &[])?;
            return Ok((provider.name, (provider.recipes)()));
        }
        let Some(name) = PLAIN.into_iter().find(|name| *name == self.scheme) else {
            let known: Vec<&str> = PLAIN
                .into_iter()
                .chain(PROVIDERS.iter().map(|provider| provider.name))
                .collect();
            return Err(Error::unknown("scheme", &self.scheme, &known));
        };
        let mut recipe = Recipe::plain();
        self.name_deliveries(&mut recipe)?;
        match name {
            "hmac" => self.sign_as_configured(&mut recipe)?,
            "none" => self.refuse_others(name, &[])?,
            _ => {
                recipe.proof = self.shared_secret(name)?;
                self.refuse_leak(&recipe)?;
            }
        }
        Ok((name, vec![recipe]))
    }

    /// The keys that name deliveries, for any scheme that is not a provider's.
    fn name_deliveries(&self, recipe: &mut Recipe) -> Result<(), Error> {
        match (&self.delivery_id_header, &self.delivery_id_path) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "delivery_id_path",
                    "`delivery_id_header` is given too; give one of them",
                ));
            }
            (Some(name), None) => {
                recipe.delivery_id = Some(Place::Header(header("delivery_id_header", name)?))
            }
            (None, Some(path)) => {
                recipe.delivery_id = Some(Place::Field(field("delivery_id_path", path)?))
            }
            (None, None) => {}
        }
        if let Some(name) = &self.event_type_header {
            recipe.event = Naming {
                kind: vec![Place::Header(header("event_type_header", name)?)],
                ..Naming::default()
            };
        }
        Ok(())
    }

    fn shared_secret(&self, name: &'static str) -> Result<Proof, Error> {
        let (place, read) = match (name, &self.header, &self.field) {
            (_, Some(text), _) => (Place::Header(header("header", text)?), "header"),
            ("token", None, Some(path)) => (Place::Field(field("field", path)?), "field"),
            ("bearer", None, _) => (Place::Header(AUTHORIZATION), "header"),
            ("token", None, None) => {
                let keys = "`header` or `field`";
                return Err(Error::MissingKey { scheme: name, keys });
            }
            _ => {
                return Err(Error::MissingKey {
                    scheme: name,
                    keys: "`header`",
                });
            }
        };
        self.refuse_others(name, &[read])?;
        // RFC 6750, section 2.1.
        let prefix = if name == "bearer" { "Bearer " } else { "" };
        Ok(Proof::Secret { place, prefix })
    }

    /// Refuses keys that the scheme does not read.
    pub(super) fn refuse_others(&self, scheme: &'static str, read: &[&str]) -> Result<(), Error> {
        let names: &[&str] = if PLAIN.contains(&scheme) { &NAMES } else { &[] };
        let given = [
            ("header", self.header.is_some()),
            ("field", self.field.is_some()),
            ("prefix", self.prefix.is_some()),
            ("encoding", self.encoding.is_some()),
            ("algorithm", self.algorithm.is_some()),
            ("signed", self.signed.is_some()),
            ("timestamp_header", self.timestamp_header.is_some()),
            ("tolerance_seconds", self.tolerance_seconds.is_some()),
            ("delivery_id_header", self.delivery_id_header.is_some()),
            ("delivery_id_path", self.delivery_id_path.is_some()),
            ("event_type_header", self.event_type_header.is_some()),
        ];
        match given
            .into_iter()
            .find(|(key, given)| *given && !read.contains(key) && !names.contains(key))
        {
            Some((key, _)) => Err(Error::UnreadKey { scheme, key }),
            None => Ok(()),
        }
    }

    /// The secret itself must not become a name of a delivery or an event: those are stored and shown.
    fn refuse_leak(&self, recipe: &Recipe) -> Result<(), Error> {
        let Proof::Secret { place, .. } = &recipe.proof else {
            return Ok(());
        };
        if recipe
            .delivery_id
            .iter()
            .chain(&recipe.event.kind)
            .any(|named| named == place)
        {
            return Err(Error::SecretAsName(place.clone()));
        }
        Ok(())
    }
}

/// The header that a key names.
pub(super) fn header(key: &'static str, name: &str) -> Result<HeaderName, Error> {
    name.parse()
        .map_err(|_| Error::invalid(key, format!("`{name}` is not the name of a header")))
}

/// The field of the body that a key names.
fn field(key: &'static str, path: &str) -> Result<String, Error> {
    match Path::parse(path) {
        Ok(_) if path.is_empty() => Err(Error::invalid(key, "it is empty")),
        Ok(_) => Ok(path.to_owned()),
        Err(error) => Err(Error::invalid(key, error)),
    }
}
