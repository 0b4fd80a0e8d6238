//! The one interpreter of recipes.

use super::body::{self, Fields, Scalar, Want, Wanted};
use super::headers::{required, single};
use super::proof::{Check, Signature, Signed};
use super::recipe::{Naming, Part, Place, Proof, Recipe, Stamp, Unit};
use super::{Error, Parts, Refusal, Scheme, Verified};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use secrecy::SecretString;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The longest delivery id, in bytes.
const MAX_ID: usize = 256;
/// The longest part of an event's type that a provider names, in bytes.
const MAX_NAME: usize = 128;
/// The type of a delivery that names no event.
const UNNAMED: &str = "belfry.webhook";
/// Where the reverse domain names begin that are taken for ones.
const TOP_LEVEL: [&str; 6] = ["com", "org", "net", "io", "dev", "app"];

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
        match (scheme.needs_secret(), secrets.is_empty()) {
            (true, true) => return Err(Error::SecretMissing(scheme.name())),
            (false, false) => return Err(Error::SecretUnread(scheme.name())),
            _ => {}
        }
        let way = |recipe: &Recipe| {
            Ok(Way {
                check: Check::try_new(scheme.name(), &recipe.proof, &secrets)?,
                wanted: wanted(recipe),
                carried: recipe.carried(),
                recipe: recipe.clone(),
            })
        };
        Ok(Self { scheme: scheme.name(), ways: scheme.recipes().iter().map(way).collect::<Result<_, _>>()? })
    }

    /// Verifies a delivery and takes its names from it.
    ///
    /// # Errors
    /// [`Refusal`], which says to the sender what is wrong.
    pub fn verify(&self, headers: &HeaderMap, body: Bytes, now: Timestamp) -> Result<Verified, Refusal> {
        let offered = |way: &&Way| way.recipe.proof_header().is_some_and(|name| headers.contains_key(name));
        let way = self.ways.iter().find(offered).or(self.ways.first()).expect("a scheme has a recipe");
        way.verify(headers, body, now)
    }
}

/// Without the keys.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Way {
    fn verify(&self, headers: &HeaderMap, body: Bytes, now: Timestamp) -> Result<Verified, Refusal> {
        let mut fields = self.prove(headers, &body, now)?;
        if let Some(stamp @ Stamp { place: Place::Field(path), .. }) = &self.recipe.timestamp {
            let fields = fields.as_mut().ok_or_else(|| Refusal::NotJson(path.clone()))?;
            let number = fields.take(Want::Timestamp).and_then(Scalar::whole);
            stamp.check(number, now)?;
        }
        let mut fields = fields.unwrap_or_default();
        let delivery_id = self.delivery_id(headers, &mut fields)?;
        let event_type = self.recipe.event.event_type(headers, &mut fields)?;
        let content_type = single(headers, &header::CONTENT_TYPE)?.map(str::to_owned);
        let headers = self.carry(headers);
        Ok(Verified::new(Parts { body, delivery_id, event_type, content_type, headers }))
    }

    /// Checks the proof, and gives the wanted fields of the body, which are not looked at before the proof if it stands in a header.
    fn prove<'b>(
        &self,
        headers: &HeaderMap,
        body: &'b [u8],
        now: Timestamp,
    ) -> Result<Option<Fields<'b>>, Refusal> {
        let read = || body::fields(&self.wanted, self.recipe.form_field, body);
        match &self.check {
            Check::Nothing => Ok(read()),
            Check::Secret(secret) => {
                let mut fields = read();
                secret.check(headers, &mut fields)?;
                Ok(fields)
            }
            Check::Signature(signature) => {
                self.check_signature(signature, headers, body, now)?;
                Ok(read())
            }
        }
    }

    fn check_signature(
        &self,
        signature: &Signature,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut signed = Signed { timestamp: "", delivery_id: "", body };
        if let Some(stamp @ Stamp { place: Place::Header(name), .. }) = &self.recipe.timestamp {
            signed.timestamp = required(headers, name)?;
            stamp.check(digits(signed.timestamp), now)?;
        }
        if let Some(place @ Place::Header(name)) = &self.recipe.delivery_id
            && signature.signs(&Part::DeliveryId)
        {
            signed.delivery_id = required(headers, name)?;
            bounded(signed.delivery_id, MAX_ID, place)?;
        }
        signature.check(headers, signed)
    }

    fn delivery_id(&self, headers: &HeaderMap, fields: &mut Fields<'_>) -> Result<Option<String>, Refusal> {
        let Some(place) = &self.recipe.delivery_id else { return Ok(None) };
        let id = match place {
            Place::Header(name) => single(headers, name)?.map(Cow::Borrowed),
            Place::Field(_) => fields.take(Want::DeliveryId).map(Scalar::into_text),
        };
        let Some(id) = id else { return Ok(None) };
        bounded(&id, MAX_ID, place)?;
        Ok(Some(id.into_owned()))
    }

    /// The headers that travel with the event. What was read is plain by now; of the others, those that are not stay behind.
    fn carry(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let plain = |name: &HeaderName| single(headers, name).ok().flatten();
        self.carried.iter().filter_map(|name| Some((name.to_string(), plain(name)?.to_owned()))).collect()
    }
}

impl Stamp {
    fn check(&self, number: Option<i128>, now: Timestamp) -> Result<(), Refusal> {
        let Some(time) = number.and_then(|number| self.unit.time(number)) else {
            let expected = format!("a whole number of {} since 1970", self.unit);
            return Err(Refusal::Unusable { place: self.place.clone(), expected });
        };
        let passed = now.duration_since(time);
        let distance = passed.unsigned_abs();
        let tolerance = self.tolerance;
        if distance <= tolerance {
            return Ok(());
        }
        let rounded = Duration::new(distance.as_secs(), distance.subsec_millis() * 1_000_000);
        Err(if passed.is_negative() {
            Refusal::TooNew { ahead: rounded, tolerance }
        } else {
            Refusal::TooOld { age: rounded, tolerance }
        })
    }
}

impl Unit {
    fn time(self, number: i128) -> Option<Timestamp> {
        let number = i64::try_from(number).ok()?;
        match self {
            Self::Seconds => Timestamp::from_second(number).ok(),
            Self::Milliseconds => Timestamp::from_millisecond(number).ok(),
        }
    }
}

impl Naming {
    fn event_type<'a>(&self, headers: &'a HeaderMap, fields: &mut Fields<'a>) -> Result<String, Refusal> {
        let Some(kind) = self.kind(headers, fields)? else { return Ok(UNNAMED.to_owned()) };
        let action = fields.take(Want::Action).and_then(Scalar::name);
        let domain = if is_reverse_domain(&kind) { "" } else { self.domain };
        let mut name = String::with_capacity(domain.len() + kind.len() + action.as_ref().map_or(0, |a| a.len()) + 2);
        for part in [Some(domain), Some(&kind), action.as_deref()].into_iter().flatten().filter(|part| !part.is_empty()) {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(part);
        }
        Ok(name)
    }

    fn kind<'a>(&self, headers: &'a HeaderMap, fields: &mut Fields<'a>) -> Result<Option<Cow<'a, str>>, Refusal> {
        for place in &self.kind {
            let kind = match place {
                Place::Header(name) => match single(headers, name)? {
                    Some(kind) => Some(Cow::Borrowed(bounded(kind, MAX_NAME, place)?)),
                    None => None,
                },
                Place::Field(_) => fields.take(Want::Kind).and_then(Scalar::name),
            };
            if kind.is_some() {
                return Ok(kind);
            }
        }
        Ok(None)
    }
}

impl<'b> Scalar<'b> {
    fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Text(_) => None,
        }
    }

    fn name(self) -> Option<Cow<'b, str>> {
        match self {
            Self::Text(text) if is_bounded(&text, MAX_NAME) => Some(text),
            Self::Text(_) | Self::Whole(_) => None,
        }
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
    let places = [(Want::Secret, secret), (Want::Timestamp, timestamp), (Want::DeliveryId, recipe.delivery_id.as_ref())];
    let kinds = recipe.event.kind.iter().map(|place| (Want::Kind, Some(place)));
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

fn bounded<'a>(text: &'a str, max: usize, place: &Place) -> Result<&'a str, Refusal> {
    if is_bounded(text, max) {
        return Ok(text);
    }
    Err(Refusal::Unusable { place: place.clone(), expected: format!("a name of 1 to {max} visible ASCII characters") })
}

fn is_bounded(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A number that is written in digits only: no sign, no blank, no fraction.
fn digits(text: &str) -> Option<i128> {
    let plain = text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn is_reverse_domain(name: &str) -> bool {
    let mut labels = name.split('.');
    labels.next().is_some_and(|first| TOP_LEVEL.contains(&first)) && labels.filter(|label| !label.is_empty()).count() >= 2
}
