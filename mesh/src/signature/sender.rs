//! Signing, the other side of verification: for trying a trigger out as its provider would send to it.

use super::key::Key;
use super::place::Place;
use super::proof::{self, Signed};
use super::recipe::{Part, Proof, Recipe, Signature};
use super::{Error, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
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

impl Scheme {
    /// What must stand after the `?` of the address that a signed body is sent to: the body's hash, where the scheme signs that and
    /// the address instead of the body.
    #[must_use]
    pub fn query(&self, body: &[u8]) -> Option<String> {
        let signs_form = self.recipes().iter().any(|recipe| match &recipe.proof {
            Proof::Signature(signature) => signature.signs(&Part::FormFields),
            _ => false,
        });
        signs_form.then(|| proof::query_of(body))
    }
}

/// The headers with which the scheme's provider would POST the delivery at `now`, to an address with [`Scheme::query`].
///
/// # Errors
/// [`Error`] if the scheme needs a secret and there is none, if it is not written as the scheme writes them, if a name or the
/// secret cannot stand in a header, or if only the provider can sign.
pub fn sign(
    scheme: &Scheme,
    secret: Option<&SecretString>,
    draft: Draft<'_>,
    now: Timestamp,
) -> Result<HeaderMap, Error> {
    let recipe = scheme.recipes().first().expect("a scheme has a recipe");
    if recipe.proof.is_private() {
        return Err(Error::Private(scheme.name()));
    }
    let mut headers = named(recipe, draft)?;
    let secret = secret.ok_or(Error::SecretMissing(scheme.name()));
    match &recipe.proof {
        Proof::Secret {
            place: Place::Header(name),
            prefix,
        } => {
            let shown = format!("{prefix}{}", secret?.expose_secret());
            put(&mut headers, name, &shown)?;
        }
        Proof::Signature(signature) => {
            let mut timestamp = String::new();
            if let Some(stamp) = &recipe.timestamp {
                timestamp = stamp.unit.write(now);
                if let Place::Header(name) = &stamp.place {
                    put(&mut headers, name, &timestamp)?;
                }
            }
            let text = signature.write(scheme, secret?, draft, &timestamp)?;
            let text = match recipe.timestamp.as_ref().map(|stamp| &stamp.place) {
                Some(Place::Item(_, item)) => format!("{item}={timestamp},{text}"),
                _ => text,
            };
            put(&mut headers, &signature.header, &text)?;
        }
        Proof::Nothing | Proof::Secret { .. } | Proof::Sns => {}
    }
    Ok(headers)
}

/// The headers that name the delivery and its event.
fn named(recipe: &Recipe, draft: Draft<'_>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    if let Some(Place::Header(name)) = recipe.delivery_id.first() {
        put(&mut headers, name, draft.delivery_id)?;
    }
    for place in &recipe.event.kind {
        if let Place::Header(name) = place {
            put(&mut headers, name, draft.event)?;
        }
    }
    Ok(headers)
}

fn put(headers: &mut HeaderMap, name: &HeaderName, value: &str) -> Result<(), Error> {
    let value = HeaderValue::from_str(value).map_err(|_| Error::NoHeader(name.clone()))?;
    headers.insert(name, value);
    Ok(())
}

impl Signature {
    /// The signature of a delivery, as it is written in its header.
    fn write(
        &self,
        scheme: &Scheme,
        secret: &SecretString,
        draft: Draft<'_>,
        timestamp: &str,
    ) -> Result<String, Error> {
        let Key::Secret(key) = self.key(scheme.name(), secret, 1)? else {
            return Err(Error::Private(scheme.name()));
        };
        let query = scheme.query(draft.body).unwrap_or_default();
        let address = scheme.address(self)?;
        let way = address.as_ref().and_then(|known| known.ways(&query).next());
        let (address, query) = way.unwrap_or_default();
        let signed = Signed {
            timestamp,
            delivery_id: draft.delivery_id,
            method: Method::POST.as_str(),
            query: &query,
            body: draft.body,
            form: b"",
        };
        let digest = key.digest(self.parts(signed, address));
        Ok(format!("{}{}", self.prefix, digest.encode(self.encoding)))
    }
}
