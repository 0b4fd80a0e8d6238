//! Signing, the other side of verification: for trying a trigger out as its provider would send to it.

use super::proof::Signed;
use super::recipe::{Place, Proof};
use super::{Error, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// A delivery before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The name of the delivery, if the scheme puts one into a header.
    pub delivery_id: &'a str,
    /// The provider's name for the event, if the scheme puts one into a header.
    pub event: &'a str,
    /// The body. Fields of it that the scheme needs (Linear's `webhookTimestamp`, a `token`'s field) must be there already.
    pub body: &'a [u8],
}

/// The headers with which the scheme's provider would send the delivery at `now`.
///
/// # Errors
/// [`Error`] if the scheme needs a secret and there is none, if it is not written as the scheme writes them, or if a name or the
/// secret cannot stand in a header.
pub fn sign(
    scheme: &Scheme,
    secret: Option<&SecretString>,
    draft: Draft<'_>,
    now: Timestamp,
) -> Result<HeaderMap, Error> {
    let recipe = scheme.recipes().first().expect("a scheme has a recipe");
    let mut headers = HeaderMap::new();
    let mut put = |name: &HeaderName, value: &str| {
        let value = HeaderValue::from_str(value).map_err(|_| Error::NoHeader(name.clone()))?;
        headers.insert(name, value);
        Ok::<(), Error>(())
    };
    if let Some(Place::Header(name)) = &recipe.delivery_id {
        put(name, draft.delivery_id)?;
    }
    for place in &recipe.event.kind {
        if let Place::Header(name) = place {
            put(name, draft.event)?;
        }
    }
    let mut timestamp = String::new();
    if let Some(stamp) = &recipe.timestamp
        && let Place::Header(name) = &stamp.place
    {
        timestamp = stamp.unit.count(now).to_string();
        put(name, &timestamp)?;
    }
    let secret = secret.ok_or(Error::SecretMissing(scheme.name()));
    match &recipe.proof {
        Proof::Nothing
        | Proof::Secret {
            place: Place::Field(_),
            ..
        } => {}
        Proof::Secret {
            place: Place::Header(name),
            prefix,
        } => {
            put(name, &format!("{prefix}{}", secret?.expose_secret()))?;
        }
        Proof::Hmac(hmac) => {
            let signed = Signed {
                timestamp: &timestamp,
                delivery_id: draft.delivery_id,
                body: draft.body,
            };
            let digest = hmac.digest(&hmac.key(scheme.name(), secret?, 1)?, signed);
            put(
                &hmac.header,
                &format!("{}{}", hmac.prefix, digest.encode(hmac.encoding)),
            )?;
        }
    }
    Ok(headers)
}
