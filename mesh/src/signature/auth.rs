//! How a trigger's deliveries are verified: a scheme, and the names of its secrets.

use super::address;
use super::greeting::Greeting;
use super::public_key::{self, PublicKey};
use super::recipe::{Proof, Recipe, Signature};
use super::secret::Written;
use super::settings::Settings;
use super::term::Termed;
use super::{Error, SecretRef};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

/// How deliveries prove where they come from, without the secret. In a manifest it is the `auth` object without its secrets.
///
/// | scheme | keys |
/// |---|---|
/// | `none` | |
/// | `github`, `linear`, `gitlab`, `gitlab-signed`, `bitbucket`, `jira`, `stripe`, `slack`, `standard`, `shopify`, `pagerduty`, `sentry`, `zoom`, `intercom`, `dropbox`, `msgraph`, `cloudevents` | none: the provider decides everything |
/// | `twilio`, `hubspot`, `square` | `public_url`: the trigger's address as the provider calls it, which is signed |
/// | `discord`, `sendgrid` | `public_key`: the provider's, as it shows it, or `${NAME}`, or a list of them; there is no secret |
/// | `sns` | `topic_arn`: a topic, or a list of them; `cert_hosts`: the hosts that certificates may be at, by default those of SNS; there is no secret |
/// | `hmac` | `header`; `prefix` (before the digest, default empty), `encoding` (`hex`, `base64`; default `hex`), `algorithm` (`sha256`, `sha1`, `sha512`; default `sha256`), `signed` (text with `{body}`, `{timestamp}`, `{id}`; default `{body}`), `timestamp_header` (whole seconds since 1970), `tolerance_seconds` (1 to 86400, default 300) |
/// | `secret` | `header`, whose value is the secret |
/// | `bearer` | `header` (default `Authorization`), whose value is `Bearer` and the secret |
/// | `token` | `header`, or `field`, a field of the JSON body, whose value is the secret |
///
/// Every scheme that is not a provider's also takes `delivery_id_header` (default `Idempotency-Key`) or `delivery_id_path`, and
/// `event_type_header`. A `token` in a `field`, like the `clientState` of `msgraph`, is a part of the body, and so is stored with
/// each event: prefer any other scheme where there is one.
///
/// `topic_arn` must be given because the signature of a message of SNS proves that Amazon sent it, and no more: anyone may have a
/// topic of Amazon's and subscribe this trigger to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Settings")]
pub struct Scheme {
    name: &'static str,
    settings: Settings,
    recipes: Vec<Recipe>,
    greetings: &'static [Greeting],
    public_keys: Vec<PublicKey>,
}

/// A scheme and the names of its secrets: `{"scheme": "github", "secret": "${GITHUB_WEBHOOK_SECRET}"}`. During a rotation `secret`
/// is a list, or `secrets` is one, and any of them may match. A secret may have an end, after which it matches nothing:
/// `{"secret": "${OLD}", "until": "2026-12-01T00:00:00Z"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct Auth {
    scheme: Scheme,
    secrets: Vec<SecretRef>,
    /// For each of the secrets.
    ends: Vec<Option<Timestamp>>,
}

impl Scheme {
    /// The scheme that verifies nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::named("none").expect("the scheme `none` needs no settings")
    }

    /// A scheme that needs no settings, such as most of the providers'.
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

    /// Whether something must be set on the nodes so that deliveries can be verified: a secret, or a public key that is only named.
    #[must_use]
    pub fn needs_secret(&self) -> bool {
        if self.is_private() {
            return self
                .public_keys
                .iter()
                .any(|key| matches!(key, PublicKey::Named(_)));
        }
        self.recipes
            .iter()
            .any(|recipe| recipe.proof != Proof::Nothing)
    }

    /// Whether the settings hold no key themselves, and one is needed.
    pub(super) fn needs_more_than_is_written(&self) -> bool {
        let is_written = |key: &PublicKey| matches!(key, PublicKey::Literal(_));
        self.needs_secret() && !self.public_keys.iter().any(is_written)
    }

    /// Whether only the provider can sign, so that [`sign`](super::sign) cannot.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.recipes.iter().any(|recipe| recipe.proof.is_private())
    }

    /// The field of the body that the secret itself is in, if it is: it is stored with every event then.
    #[must_use]
    pub fn secret_field(&self) -> Option<&str> {
        self.recipes.iter().find_map(|recipe| match &recipe.proof {
            Proof::Secret { place, .. } => place.path(),
            _ => None,
        })
    }

    /// Refuses secrets where none is needed, and none where one is.
    fn expect_secrets(&self, given: usize) -> Result<(), Error> {
        let takes = self.needs_secret();
        match (takes, given) {
            (true, 0) => Err(Error::SecretMissing(self.name)),
            (true, _) | (false, 0) => Ok(()),
            (false, _) => Err(Error::SecretUnread(self.name)),
        }
    }

    /// All keys that signatures are checked with: these, and those public ones that are written.
    pub(super) fn keys(
        &self,
        set: Vec<Termed<SecretString>>,
    ) -> Result<Vec<Termed<SecretString>>, Error> {
        let written = self.public_keys.iter().filter_map(|key| match key {
            PublicKey::Literal(text) => Some(Termed::forever(text.as_str().into())),
            PublicKey::Named(_) => None,
        });
        let written: Vec<_> = written.collect();
        if written.is_empty() || !set.is_empty() {
            self.expect_secrets(set.len())?;
        }
        Ok(set.into_iter().chain(written).collect())
    }

    /// The trigger's own address as this signature has it, if it has.
    pub(super) fn address(&self, signature: &Signature) -> Result<Option<address::Signed>, Error> {
        let url = self.settings.public_url.as_deref().unwrap_or_default();
        let spelt = signature.url();
        spelt
            .map(|spelt| address::Signed::of(url, spelt))
            .transpose()
    }

    pub(super) fn topics(&self) -> Vec<String> {
        let written = self.settings.topic_arn.as_ref();
        let texts = written.and_then(Written::texts).unwrap_or_default();
        texts.into_iter().map(str::to_owned).collect()
    }

    pub(super) fn cert_hosts(&self) -> &[String] {
        self.settings.cert_hosts.as_deref().unwrap_or_default()
    }

    pub(super) fn recipes(&self) -> &[Recipe] {
        &self.recipes
    }

    pub(super) fn greetings(&self) -> &'static [Greeting] {
        self.greetings
    }
}

impl Auth {
    /// All keys of the `auth` object.
    pub(crate) const KEYS: &[&str] = Settings::KEYS;

    /// A scheme with the names of its secrets. Those of public keys are a part of the scheme.
    ///
    /// # Errors
    /// [`Error::SecretMissing`] or [`Error::SecretUnread`] if the scheme needs one and there is none, or the other way round.
    pub fn try_new(scheme: Scheme, secrets: Vec<SecretRef>) -> Result<Self, Error> {
        Self::with_ends(
            scheme,
            secrets.into_iter().map(|secret| (secret, None)).collect(),
        )
    }

    fn with_ends(
        scheme: Scheme,
        secrets: Vec<(SecretRef, Option<Timestamp>)>,
    ) -> Result<Self, Error> {
        if scheme.is_private() {
            if !secrets.is_empty() {
                return Err(Error::SecretUnread(scheme.name));
            }
            let named = scheme.public_keys.iter().filter_map(|key| match key {
                PublicKey::Named(name) => Some(name.clone()),
                PublicKey::Literal(_) => None,
            });
            let secrets: Vec<_> = named.collect();
            let ends = vec![None; secrets.len()];
            return Ok(Self {
                scheme,
                secrets,
                ends,
            });
        }
        scheme.expect_secrets(secrets.len())?;
        let (secrets, ends) = secrets.into_iter().unzip();
        Ok(Self {
            scheme,
            secrets,
            ends,
        })
    }

    /// How deliveries prove where they come from.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The names of what must be set on the nodes: of the secrets, any of which may match, or of public keys.
    #[must_use]
    pub fn secrets(&self) -> &[SecretRef] {
        &self.secrets
    }

    /// The secrets, and until when each of them is good, if it has an end.
    pub fn terms(&self) -> impl Iterator<Item = (&SecretRef, Option<Timestamp>)> {
        self.secrets.iter().zip(self.ends.iter().copied())
    }
}

impl TryFrom<Settings> for Scheme {
    type Error = Error;

    fn try_from(settings: Settings) -> Result<Self, Error> {
        let (name, recipes, greetings) = settings.read()?;
        for (key, given) in [
            ("secret", settings.secret.is_some()),
            ("secrets", settings.secrets.is_some()),
        ] {
            if given {
                return Err(Error::UnreadKey { scheme: name, key });
            }
        }
        Ok(Self {
            public_keys: public_key::read(name, &settings, &recipes)?,
            name,
            settings,
            recipes,
            greetings,
        })
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
        let written = match (settings.secret.take(), settings.secrets.take()) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "secrets",
                    "`secret` is given too; give one of them",
                ));
            }
            (None, Some(list)) if !list.is_list() => {
                return Err(Error::invalid("secrets", "it is no list"));
            }
            (one, many) => one.or(many),
        };
        let secrets = written.map_or_else(|| Ok(Vec::new()), |written| written.secrets())?;
        Self::with_ends(settings.try_into()?, secrets)
    }
}

impl From<Auth> for Settings {
    fn from(auth: Auth) -> Self {
        let private = auth.scheme.is_private();
        let terms: Vec<_> = auth.secrets.into_iter().zip(auth.ends).collect();
        let mut settings = auth.scheme.settings;
        if terms.is_empty() || private {
            return settings;
        }
        let written = Some(Written::of(&terms));
        if terms.iter().any(|(_, until)| until.is_some()) {
            settings.secrets = written;
        } else {
            settings.secret = written;
        }
        settings
    }
}
