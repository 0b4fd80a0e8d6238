//! A scheme as it is written in a manifest.

use super::greeting::Greeting;
use super::naming::Naming;
use super::place::Place;
use super::recipe::{Proof, Recipe};
use super::secret::Written;
use super::{Error, address, providers};
use crate::path::Path;
use http::HeaderName;
use http::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};

/// The names of the schemes that are no provider's.
pub(super) const PLAIN: [&str; 5] = ["none", "hmac", "secret", "bearer", "token"];
/// The keys that each of them reads.
pub(super) const NAMES: [&str; 3] = [
    "delivery_id_header",
    "delivery_id_path",
    "event_type_header",
];

/// Makes the settings, so that there is one list of their keys.
macro_rules! settings {
    ($($key:ident: $value:ty,)*) => {
        /// The `auth` object of a manifest. A key that a scheme does not read is refused: it would be a mistake that nobody notices.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Settings {
            pub(super) scheme: String,
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(super) $key: Option<$value>,
            )*
        }

        impl Settings {
            /// All keys.
            pub(super) const KEYS: &[&str] = &["scheme", $(stringify!($key)),*];

            /// The keys that are given beside `scheme`.
            fn given(&self) -> impl Iterator<Item = &'static str> {
                let given = [$((stringify!($key), self.$key.is_some())),*];
                given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key)
            }
        }
    };
}

settings! {
    secret: Written,
    secrets: Written,
    public_key: Written,
    public_url: String,
    topic_arn: Written,
    cert_hosts: Vec<String>,
    header: String,
    field: String,
    prefix: String,
    encoding: String,
    algorithm: String,
    signed: String,
    timestamp_header: String,
    tolerance_seconds: u64,
    delivery_id_header: String,
    delivery_id_path: String,
    event_type_header: String,
}

/// A scheme's name, its recipes and its handshakes.
type Meaning = (&'static str, Vec<Recipe>, &'static [Greeting]);

impl Settings {
    /// What these settings ask for.
    pub(super) fn read(&self) -> Result<Meaning, Error> {
        if let Some(provider) = providers::all().find(|provider| provider.name == self.scheme) {
            let recipes = (provider.recipes)();
            self.check_provider(provider.name, &recipes)?;
            return Ok((provider.name, recipes, provider.greetings));
        }
        let Some(name) = PLAIN.into_iter().find(|name| *name == self.scheme) else {
            let known: Vec<&str> = PLAIN
                .into_iter()
                .chain(providers::all().map(|provider| provider.name))
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
                refuse_leak(&recipe)?;
            }
        }
        Ok((name, vec![recipe], &[]))
    }

    /// Whether what a provider's recipes need is there, and nothing else.
    fn check_provider(&self, name: &'static str, recipes: &[Recipe]) -> Result<(), Error> {
        let missing = |keys| Error::MissingKey { scheme: name, keys };
        let mut read = Vec::new();
        for recipe in recipes {
            match &recipe.proof {
                Proof::Signature(signature) => {
                    if signature.under.is_private() {
                        self.public_key.as_ref().ok_or(missing("`public_key`"))?;
                        read.push("public_key");
                    }
                    if let Some(spelt) = signature.url() {
                        let url = self.public_url.as_ref().ok_or(missing("`public_url`"))?;
                        address::Signed::of(url, spelt)?;
                        read.push("public_url");
                    }
                }
                Proof::Sns => {
                    self.check_sns()?;
                    read.extend(["topic_arn", "cert_hosts"]);
                }
                Proof::Nothing | Proof::Secret { .. } => {}
            }
        }
        self.refuse_others(name, &read)
    }

    fn check_sns(&self) -> Result<(), Error> {
        let topics = self.topic_arn.as_ref().ok_or(Error::MissingKey {
            scheme: "sns",
            keys: "`topic_arn`, the topic or topics that it listens to",
        })?;
        let are_topics = |topics: Vec<&str>| {
            !topics.is_empty() && topics.iter().all(|topic| topic.starts_with("arn:"))
        };
        if !topics.texts().is_some_and(are_topics) {
            let why = "it is no ARN such as `arn:aws:sns:us-east-1:123456789012:billing`, nor a list of them";
            return Err(Error::invalid("topic_arn", why));
        }
        match self.cert_hosts.as_deref() {
            Some([]) => Err(Error::invalid("cert_hosts", "it is empty")),
            Some(hosts) => match hosts.iter().find(|host| !address::is_host(host)) {
                Some(host) => Err(Error::invalid(
                    "cert_hosts",
                    format!("`{host}` is not the name of a host"),
                )),
                None => Ok(()),
            },
            None => Ok(()),
        }
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
                recipe.delivery_id = vec![Place::Header(header("delivery_id_header", name)?)];
            }
            (None, Some(path)) => {
                recipe.delivery_id = vec![Place::Field(field("delivery_id_path", path)?)];
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
        let prefix = if name == "bearer" { BEARER } else { "" };
        Ok(Proof::Secret { place, prefix })
    }

    /// Refuses keys that the scheme does not read. What secrets it takes is seen to elsewhere.
    pub(super) fn refuse_others(&self, scheme: &'static str, read: &[&str]) -> Result<(), Error> {
        let names: &[&str] = if PLAIN.contains(&scheme) { &NAMES } else { &[] };
        let is_read = |key: &str| {
            ["secret", "secrets"].contains(&key) || read.contains(&key) || names.contains(&key)
        };
        match self.given().find(|key| !is_read(key)) {
            Some(key) => Err(Error::UnreadKey { scheme, key }),
            None => Ok(()),
        }
    }
}

/// What stands before a token (RFC 6750, section 2.1).
pub(super) const BEARER: &str = "Bearer ";

/// The secret itself must not become a name of a delivery or an event: those are stored and shown.
fn refuse_leak(recipe: &Recipe) -> Result<(), Error> {
    let Proof::Secret { place, .. } = &recipe.proof else {
        return Ok(());
    };
    let mut names = recipe.delivery_id.iter().chain(&recipe.event.kind);
    if names.any(|named| named == place) {
        return Err(Error::SecretAsName(place.clone()));
    }
    Ok(())
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
