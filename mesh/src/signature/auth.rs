//! How a trigger's deliveries are verified: a scheme, and the names of its secrets.

use super::Error;
use super::recipe::{Proof, Recipe};
use super::settings::{Settings, Written};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// How deliveries prove where they come from, without the secret. In a manifest it is the `auth` object without its `secret`.
///
/// | scheme | keys |
/// |---|---|
/// | `none` | |
/// | `github`, `linear`, `standard` | none: the provider decides everything |
/// | `hmac` | `header`; `prefix` (before the digest, default empty), `encoding` (`hex`, `base64`; default `hex`), `algorithm` (`sha256`, `sha1`, `sha512`; default `sha256`), `signed` (text with `{body}`, `{timestamp}`, `{id}`; default `{body}`), `timestamp_header` (whole seconds since 1970), `tolerance_seconds` (1 to 86400, default 300) |
/// | `secret` | `header`, whose value is the secret |
/// | `bearer` | `header` (default `Authorization`), whose value is `Bearer` and the secret |
/// | `token` | `header`, or `field`, a field of the JSON body, whose value is the secret |
///
/// Every scheme that is not a provider's also takes `delivery_id_header` (default `Idempotency-Key`) or `delivery_id_path`, and
/// `event_type_header`. A `token` in a `field` is a part of the body, and so is stored with each event: prefer any other scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Settings")]
pub struct Scheme {
    name: &'static str,
    settings: Settings,
    recipes: Vec<Recipe>,
}

/// A scheme and the names of its secrets: `{"scheme": "github", "secret": "${GITHUB_WEBHOOK_SECRET}"}`. During a rotation `secret`
/// is a list, and any of them may match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct Auth {
    scheme: Scheme,
    secrets: Vec<SecretRef>,
}

/// The name of a secret that is set on the nodes. It is written `${NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretRef(String);

/// The `auth` object of a manifest in the older form. It had no scheme; the header tells which one it is.
#[derive(Debug, Clone)]
pub struct Legacy<'a> {
    /// Its `type`: `hmac`, `secret`, `bearer` or `token`.
    pub kind: &'a str,
    /// The header with the signature or the secret.
    pub header: Option<&'a str>,
    /// The hash of `hmac`: `sha256` (also if none is given), `sha1`, `sha512`, in any case, also as `hmac-sha256`.
    pub algorithm: Option<&'a str>,
    /// The field of the body with the secret, for `token`.
    pub field: Option<&'a str>,
    /// The header that names a delivery (`deduplication.header`). A provider's scheme has its own and ignores it.
    pub delivery_id_header: Option<&'a str>,
    /// The secret.
    pub secret: SecretRef,
}

impl Scheme {
    /// The scheme that verifies nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::named("none").expect("the scheme `none` needs no settings")
    }

    /// A scheme that needs no settings, such as a provider's.
    ///
    /// # Errors
    /// [`Error::Unknown`], or [`Error::MissingKey`] if it does need settings.
    pub fn named(name: &str) -> Result<Self, Error> {
        Settings {
            scheme: name.to_owned(),
            ..Settings::default()
        }
        .try_into()
    }

    /// Its name in a manifest.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether a delivery must prove anything at all.
    #[must_use]
    pub fn needs_secret(&self) -> bool {
        self.recipes
            .iter()
            .any(|recipe| recipe.proof != Proof::Nothing)
    }

    /// The field of the body that the secret itself is in, if it is: it is stored with every event then.
    #[must_use]
    pub fn secret_field(&self) -> Option<&str> {
        self.settings.field.as_deref()
    }

    /// Refuses secrets where none is needed, and none where one is.
    pub(super) fn expect_secrets(&self, given: usize) -> Result<(), Error> {
        match (self.needs_secret(), given) {
            (true, 0) => Err(Error::SecretMissing(self.name)),
            (true, _) | (false, 0) => Ok(()),
            (false, _) => Err(Error::SecretUnread(self.name)),
        }
    }

    pub(super) fn recipes(&self) -> &[Recipe] {
        &self.recipes
    }
}

impl Auth {
    /// A scheme with the names of its secrets.
    ///
    /// # Errors
    /// [`Error::SecretMissing`] or [`Error::SecretUnread`] if the scheme needs one and there is none, or the other way round.
    pub fn try_new(scheme: Scheme, secrets: Vec<SecretRef>) -> Result<Self, Error> {
        scheme.expect_secrets(secrets.len())?;
        Ok(Self { scheme, secrets })
    }

    /// What an older manifest means. A signature in `X-Hub-Signature-256` is GitHub's, in `Linear-Signature` Linear's, in
    /// `webhook-signature` or `svix-signature` that of Standard Webhooks; the algorithm is then theirs. In another header it is the
    /// bare hexadecimal digest of the body, in `X-Hub-Signature` with `sha1=` or whichever algorithm before it (WebSub, section 7).
    ///
    /// # Errors
    /// [`Error`] for an unknown type or algorithm, and for a missing or impossible header or field.
    pub fn from_legacy(legacy: Legacy<'_>) -> Result<Self, Error> {
        let scheme = legacy.scheme()?;
        Self::try_new(scheme, vec![legacy.secret])
    }

    /// How deliveries prove where they come from.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The names of the secrets, any of which may match.
    #[must_use]
    pub fn secrets(&self) -> &[SecretRef] {
        &self.secrets
    }
}

impl SecretRef {
    /// Reads `${NAME}`.
    ///
    /// # Errors
    /// [`Error::LiteralSecret`] for anything else. The message does not repeat what was found, since it may be a secret.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let name = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .ok_or(Error::LiteralSecret)?;
        Self::named(name)
    }

    /// The secret of this name: 1 to 128 letters, digits and `_`, not beginning with a digit.
    ///
    /// # Errors
    /// [`Error::LiteralSecret`] if it cannot be a name.
    pub fn named(name: &str) -> Result<Self, Error> {
        let fits =
            (1..=128).contains(&name.len()) && !name.starts_with(|c: char| c.is_ascii_digit());
        if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::LiteralSecret)
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Legacy<'_> {
    fn scheme(&self) -> Result<Scheme, Error> {
        let mut settings = Settings {
            header: self.header.map(str::to_owned),
            delivery_id_header: self.delivery_id_header.map(str::to_owned),
            ..Settings::default()
        };
        match self.kind {
            "hmac" => {
                let header = self.header.unwrap_or_default().to_ascii_lowercase();
                if let Some(name) = provider_of(&header) {
                    return Scheme::named(name);
                }
                let algorithm = self.algorithm.unwrap_or("sha256").to_ascii_lowercase();
                let algorithm = algorithm.strip_prefix("hmac-").unwrap_or(&algorithm);
                settings.prefix = (header == "x-hub-signature").then(|| format!("{algorithm}="));
                settings.algorithm = Some(algorithm.to_owned());
            }
            "token" if self.field.is_some() => {
                settings.header = None;
                settings.field = self.field.map(str::to_owned);
            }
            "secret" | "bearer" | "token" => {}
            other => return Err(Error::unknown("auth type", other, &KINDS)),
        }
        settings.scheme = self.kind.to_owned();
        settings.try_into()
    }
}

/// The types of `auth` that older manifests know.
const KINDS: [&str; 4] = ["hmac", "secret", "bearer", "token"];

fn provider_of(signature_header: &str) -> Option<&'static str> {
    match signature_header {
        "x-hub-signature-256" => Some("github"),
        "linear-signature" => Some("linear"),
        "webhook-signature" | "svix-signature" => Some("standard"),
        _ => None,
    }
}

impl TryFrom<Settings> for Scheme {
    type Error = Error;

    fn try_from(settings: Settings) -> Result<Self, Error> {
        let (name, recipes) = settings.recipes()?;
        match settings.secret {
            Some(_) => Err(Error::UnreadKey {
                scheme: name,
                key: "secret",
            }),
            None => Ok(Self {
                name,
                settings,
                recipes,
            }),
        }
    }
}

/// By hand, since the derived one would not let `name` be static.
impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        Settings::deserialize(reader)?
            .try_into()
            .map_err(serde::de::Error::custom)
    }
}

impl From<Scheme> for Settings {
    fn from(scheme: Scheme) -> Self {
        scheme.settings
    }
}

impl TryFrom<Settings> for Auth {
    type Error = Error;

    fn try_from(mut settings: Settings) -> Result<Self, Error> {
        let secrets = match settings.secret.take() {
            None => Vec::new(),
            Some(Written::One(text)) => vec![SecretRef::parse(&text)?],
            Some(Written::Many(list)) => list
                .iter()
                .map(|text| SecretRef::parse(text))
                .collect::<Result<_, _>>()?,
            Some(Written::Other(_)) => return Err(Error::LiteralSecret),
        };
        Self::try_new(settings.try_into()?, secrets)
    }
}

impl From<Auth> for Settings {
    fn from(auth: Auth) -> Self {
        let mut names: Vec<String> = auth.secrets.iter().map(SecretRef::to_string).collect();
        let secret = match names.len() {
            0 => None,
            1 => names.pop().map(Written::One),
            _ => Some(Written::Many(names)),
        };
        Self {
            secret,
            ..auth.scheme.settings
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{}}}", self.0)
    }
}

impl TryFrom<String> for SecretRef {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> Self {
        reference.to_string()
    }
}
