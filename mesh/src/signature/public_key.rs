//! Providers' public keys, which are no secrets and may be written.

use super::key::Key;
use super::recipe::{Proof, Recipe};
use super::secret::Written;
use super::settings::Settings;
use super::{Error, SecretRef};

/// A provider's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    Literal(String),
    Named(SecretRef),
}

/// The public keys that the settings hold. Each that is written must be one.
pub(super) fn read(
    scheme: &'static str,
    settings: &Settings,
    recipes: &[Recipe],
) -> Result<Vec<PublicKey>, Error> {
    let Some(written) = &settings.public_key else {
        return Ok(Vec::new());
    };
    let texts = Written::texts(written).filter(|texts| !texts.is_empty());
    let texts = texts
        .ok_or_else(|| Error::invalid("public_key", "it is neither a text nor a list of texts"))?;
    let read = |(text, number): (&str, usize)| {
        if text.starts_with("${") {
            return SecretRef::parse(text).map(PublicKey::Named);
        }
        for recipe in recipes {
            if let Proof::Signature(signature) = &recipe.proof {
                let _: Key = signature.key(scheme, &text.into(), number)?;
            }
        }
        Ok(PublicKey::Literal(text.to_owned()))
    };
    texts.into_iter().zip(1..).map(read).collect()
}
