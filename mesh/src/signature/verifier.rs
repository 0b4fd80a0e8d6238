//! The one interpreter of recipes.

use super::body::{self, Fields, Scalar, Want, Wanted};
use super::headers::{required, single};
use super::proof::{Check, Signature, Signed};
use super::recipe::{Part, Place, Proof, Recipe};
use super::{Error, Parts, Refusal, Scheme, Verified, names, time};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use secrecy::SecretString;
use std::fmt;

/// Verifies the deliveries of one trigger. The keys are absorbed once, so that a verification allocates little.
pub struct Verifier {
    scheme: &'static str,
    ways: Vec<Way>,
}

/// A recipe with what it is checked against.
struct Way {
    recipe: Recipe,
    check: Check,
    wanted: Wanted,
    carried: Vec<HeaderName>,
}

impl Verifier {
    /// A verifier of a scheme under these secrets, any of which may match.
    ///
    /// # Errors
    /// [`Error`] if the scheme needs a secret and there is none, if one is empty or not written as the scheme writes them, or if
    /// the scheme takes none. A trigger without a verifier must refuse every delivery.
    pub fn try_new(scheme: &Scheme, secrets: Vec<SecretString>) -> Result<Self, Error> {
        scheme.expect_secrets(secrets.len())?;
        let way = |recipe: &Recipe| {
            Ok(Way {
                check: Check::try_new(scheme.name(), &recipe.proof, &secrets)?,
                wanted: wanted(recipe),
                carried: recipe.carried(),
                recipe: recipe.clone(),
            })
        };
        Ok(Self {
            scheme: scheme.name(),
            ways: scheme.recipes().iter().map(way).collect::<Result<_, _>>()?,
        })
    }

    /// Verifies a delivery and takes its names from it.
    ///
    /// # Errors
    /// [`Refusal`], which says to the sender what is wrong.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: Bytes,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        let offered = |way: &&Way| {
            way.recipe
                .proof_header()
                .is_some_and(|name| headers.contains_key(name))
        };
        let way = self
            .ways
            .iter()
            .find(offered)
            .or(self.ways.first())
            .expect("a scheme has a recipe");
        way.verify(headers, body, now)
    }
}

/// Without the keys.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

impl Way {
    fn verify(
        &self,
        headers: &HeaderMap,
        body: Bytes,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        let mut fields = self.prove(headers, &body, now)?;
        let delivery_id = match &self.recipe.delivery_id {
            Some(place) => names::delivery_id(place, headers, &mut fields)?,
            None => None,
        };
        let event_type = self.recipe.event.event_type(headers, &mut fields)?;
        let content_type = single(headers, &header::CONTENT_TYPE)?.map(str::to_owned);
        let headers = self.carry(headers);
        Ok(Verified::new(Parts {
            body,
            delivery_id,
            event_type,
            content_type,
            headers,
        }))
    }

    /// Checks everything that proves the delivery, and gives the wanted fields of its body. The body is parsed only after its
    /// signature has been checked.
    fn prove<'b>(
        &self,
        headers: &HeaderMap,
        body: &'b [u8],
        now: Timestamp,
    ) -> Result<Fields<'b>, Refusal> {
        if let Check::Signature(signature) = &self.check {
            self.check_signature(signature, headers, body, now)?;
        }
        let mut fields = body::fields(&self.wanted, self.recipe.form_field, body);
        if let Check::Secret(secret) = &self.check {
            secret.check(headers, &mut fields)?;
        }
        if let Some(stamp) = &self.recipe.timestamp
            && let Place::Field(path) = &stamp.place
        {
            let fields = fields
                .as_mut()
                .ok_or_else(|| Refusal::NotJson(path.clone()))?;
            stamp.check(fields.take(Want::Timestamp).and_then(Scalar::whole), now)?;
        }
        Ok(fields.unwrap_or_default())
    }

    fn check_signature(
        &self,
        signature: &Signature,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut signed = Signed {
            timestamp: "",
            delivery_id: "",
            body,
        };
        if let Some(stamp) = &self.recipe.timestamp
            && let Place::Header(name) = &stamp.place
        {
            signed.timestamp = required(headers, name)?;
            stamp.check(time::digits(signed.timestamp), now)?;
        }
        if let Some(Place::Header(name)) = &self.recipe.delivery_id
            && signature.signs(&Part::DeliveryId)
        {
            signed.delivery_id = required(headers, name)?;
        }
        signature.check(headers, signed)
    }

    /// The headers that travel with the event. What was read is plain by now; of the others, those that are not stay behind.
    fn carry(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let plain = |name: &HeaderName| single(headers, name).ok().flatten();
        self.carried
            .iter()
            .filter_map(|name| Some((name.to_string(), plain(name)?.to_owned())))
            .collect()
    }
}

/// What a recipe wants to know of the body.
fn wanted(recipe: &Recipe) -> Wanted {
    let mut wanted = Wanted::default();
    let secret = match &recipe.proof {
        Proof::Secret { place, .. } => Some(place),
        Proof::Nothing | Proof::Hmac(_) => None,
    };
    let timestamp = recipe.timestamp.as_ref().map(|stamp| &stamp.place);
    let places = [
        (Want::Secret, secret),
        (Want::Timestamp, timestamp),
        (Want::DeliveryId, recipe.delivery_id.as_ref()),
    ];
    let kinds = recipe
        .event
        .kind
        .iter()
        .map(|place| (Want::Kind, Some(place)));
    for (want, place) in places.into_iter().chain(kinds) {
        if let Some(Place::Field(path)) = place {
            wanted.add(want, path);
        }
    }
    if let Some(path) = recipe.event.action {
        wanted.add(Want::Action, path);
    }
    wanted
}
