//! A scheme as it is written in a manifest.

use super::recipe::{Algorithm, Encoding, Hmac, Naming, Part, Place, Proof, Recipe, Stamp, Unit, bearer};
use super::{Error, providers::PROVIDERS};
use crate::path::Path;
use http::HeaderName;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The names of the schemes that are no provider's.
const PLAIN: [&str; 5] = ["none", "hmac", "secret", "bearer", "token"];
/// The keys that each of them reads.
const NAMES: [&str; 3] = ["delivery_id_header", "delivery_id_path", "event_type_header"];
/// How far from now a signed timestamp may be if nothing else is said, and at most, in seconds.
const TOLERANCE: u64 = 300;
const MAX_TOLERANCE: u64 = 86_400;

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
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(reader).map(|_| Self)
    }
}

/// Without the text, which may be a secret.
impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Written(..)")
    }
}

impl Settings {
    /// The recipes that these settings ask for, and the scheme's name.
    pub(super) fn recipes(&self) -> Result<(&'static str, Vec<Recipe>), Error> {
        if let Some(provider) = PROVIDERS.iter().find(|provider| provider.name == self.scheme) {
            self.refuse_others(provider.name, &[])?;
            return Ok((provider.name, (provider.recipes)()));
        }
        let Some(name) = PLAIN.into_iter().find(|name| *name == self.scheme) else {
            let known: Vec<_> = PLAIN.into_iter().chain(PROVIDERS.iter().map(|provider| provider.name)).collect();
            return Err(Error::UnknownScheme { found: self.scheme.clone(), known: known.join(", ") });
        };
        let mut recipe = Recipe::plain(Proof::Nothing);
        self.name_deliveries(&mut recipe)?;
        match name {
            "hmac" => self.sign(&mut recipe)?,
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
                return Err(Error::invalid("delivery_id_path", "`delivery_id_header` is given too; give one of them"));
            }
            (Some(name), None) => recipe.delivery_id = Some(Place::Header(header("delivery_id_header", name)?)),
            (None, Some(path)) => recipe.delivery_id = Some(Place::Field(field("delivery_id_path", path)?)),
            (None, None) => {}
        }
        if let Some(name) = &self.event_type_header {
            recipe.event = Naming { kind: vec![Place::Header(header("event_type_header", name)?)], ..Naming::default() };
        }
        Ok(())
    }

    fn shared_secret(&self, name: &'static str) -> Result<Proof, Error> {
        let place = match (name, &self.header, &self.field) {
            ("bearer", None, _) => {
                self.refuse_others(name, &[])?;
                return Ok(bearer());
            }
            ("token", None, Some(path)) => {
                self.refuse_others(name, &["field"])?;
                Place::Field(field("field", path)?)
            }
            (_, Some(name_of_header), _) => {
                self.refuse_others(name, &["header"])?;
                Place::Header(header("header", name_of_header)?)
            }
            ("token", None, None) => return Err(Error::MissingKey { scheme: name, key: "header` or `field" }),
            (_, None, _) => return Err(Error::MissingKey { scheme: name, key: "header" }),
        };
        Ok(Proof::Secret { place, prefix: if name == "bearer" { "Bearer " } else { "" } })
    }

    fn sign(&self, recipe: &mut Recipe) -> Result<(), Error> {
        const READ: [&str; 7] =
            ["header", "prefix", "encoding", "algorithm", "signed", "timestamp_header", "tolerance_seconds"];
        self.refuse_others("hmac", &READ)?;
        let name = self.header.as_deref().ok_or(Error::MissingKey { scheme: "hmac", key: "header" })?;
        let mut hmac = Hmac::of_body(header("header", name)?);
        hmac.prefix = self.prefix.clone().unwrap_or_default();
        if let Some(word) = &self.encoding {
            hmac.encoding = encoding(word)?;
        }
        if let Some(word) = &self.algorithm {
            hmac.algorithm = algorithm(word)?;
        }
        if let Some(template) = &self.signed {
            hmac.signed = parts(template)?;
        }
        recipe.timestamp = self.stamp(&hmac.signed)?;
        if hmac.signed.contains(&Part::DeliveryId) && !matches!(recipe.delivery_id, Some(Place::Header(_))) {
            return Err(Error::invalid("signed", "`{id}` is a header's value, and `delivery_id_path` is given"));
        }
        recipe.proof = Proof::Hmac(hmac);
        Ok(())
    }

    fn stamp(&self, signed: &[Part]) -> Result<Option<Stamp>, Error> {
        let Some(name) = &self.timestamp_header else {
            return match (signed.contains(&Part::Timestamp), self.tolerance_seconds) {
                (true, _) => Err(Error::invalid("signed", "`{timestamp}` needs `timestamp_header`")),
                (false, Some(_)) => Err(Error::invalid("tolerance_seconds", "it needs `timestamp_header`")),
                (false, None) => Ok(None),
            };
        };
        if !signed.contains(&Part::Timestamp) {
            let why = "`signed` has no `{timestamp}`, and a timestamp that is not signed proves nothing";
            return Err(Error::invalid("timestamp_header", why));
        }
        let tolerance = self.tolerance_seconds.unwrap_or(TOLERANCE);
        if !(1..=MAX_TOLERANCE).contains(&tolerance) {
            return Err(Error::invalid("tolerance_seconds", format!("found {tolerance}; 1 to {MAX_TOLERANCE} are allowed")));
        }
        let place = Place::Header(header("timestamp_header", name)?);
        Ok(Some(Stamp { place, unit: Unit::Seconds, tolerance: Duration::from_secs(tolerance) }))
    }

    /// Refuses keys that the scheme does not read.
    fn refuse_others(&self, scheme: &'static str, read: &[&str]) -> Result<(), Error> {
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
        match given.into_iter().find(|(key, given)| *given && !read.contains(key) && !names.contains(key)) {
            Some((key, _)) => Err(Error::UnreadKey { scheme, key }),
            None => Ok(()),
        }
    }

    /// The secret itself must not become a name of a delivery or an event: those are stored and shown.
    fn refuse_leak(&self, recipe: &Recipe) -> Result<(), Error> {
        let Proof::Secret { place, .. } = &recipe.proof else { return Ok(()) };
        if recipe.delivery_id.iter().chain(&recipe.event.kind).any(|named| named == place) {
            return Err(Error::SecretAsName(place.clone()));
        }
        Ok(())
    }
}

fn header(key: &'static str, name: &str) -> Result<HeaderName, Error> {
    name.parse().map_err(|_| Error::invalid(key, format!("`{name}` is not the name of a header")))
}

fn field(key: &'static str, path: &str) -> Result<String, Error> {
    match Path::parse(path) {
        Ok(_) if path.is_empty() => Err(Error::invalid(key, "it is empty")),
        Ok(_) => Ok(path.to_owned()),
        Err(error) => Err(Error::invalid(key, error)),
    }
}

fn encoding(word: &str) -> Result<Encoding, Error> {
    match word {
        "hex" => Ok(Encoding::Hex),
        "base64" => Ok(Encoding::Base64),
        _ => Err(Error::invalid("encoding", format!("unknown encoding `{word}`; known: hex, base64"))),
    }
}

fn algorithm(word: &str) -> Result<Algorithm, Error> {
    match word {
        "sha256" => Ok(Algorithm::Sha256),
        "sha1" => Ok(Algorithm::Sha1),
        "sha512" => Ok(Algorithm::Sha512),
        _ => Err(Error::invalid("algorithm", format!("unknown algorithm `{word}`; known: sha256, sha1, sha512"))),
    }
}

/// Reads what is signed: text with `{timestamp}`, `{id}` and, once, `{body}`.
fn parts(template: &str) -> Result<Vec<Part>, Error> {
    let invalid = |why: String| Error::invalid("signed", why);
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, tail)) = rest.split_once('{') {
        let (name, tail) = tail.split_once('}').ok_or_else(|| invalid(format!("`{{{tail}` has no `}}`")))?;
        if !text.is_empty() {
            parts.push(Part::Literal(text.to_owned()));
        }
        parts.push(match name {
            "body" => Part::Body,
            "timestamp" => Part::Timestamp,
            "id" => Part::DeliveryId,
            _ => return Err(invalid(format!("unknown part `{{{name}}}`; known: {{body}}, {{timestamp}}, {{id}}"))),
        });
        rest = tail;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    match parts.iter().filter(|part| **part == Part::Body).count() {
        1 => Ok(parts),
        found => Err(invalid(format!("`{{body}}` is there {found} times; once is needed"))),
    }
}
