//! The one interpreter of recipes.

use super::body::{Read, Slot, Wanted};
use super::certificate::CertificateUrl;
use super::delivery::{Delivery, Genuine, Handshake};
use super::greeting::{self, Answer, Greeting};
use super::headers::{item, required, single};
use super::key::Key;
use super::names::{self, Slots};
use super::place::Place;
use super::proof::{Check, Lock, SharedSecret, Signed};
use super::recipe::{Encoding, Part, Proof, Recipe};
use super::sns::Sns;
use super::term::{self, Termed};
use super::{Auth, Error, Parts, Refusal, Scheme, SecretRef, Verified};
use http::{HeaderMap, HeaderName, Method, header};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use std::fmt;

/// Verifies the deliveries of one trigger. The keys are absorbed once, so that a verification allocates little.
pub struct Verifier {
    scheme: &'static str,
    ways: Vec<Way>,
    greetings: &'static [Greeting],
    /// When the last of the secrets has come to its end.
    end: Option<Timestamp>,
}

/// A recipe with what it is checked against.
struct Way {
    recipe: Recipe,
    check: Check,
    wanted: Wanted,
    timestamp: Option<Slot>,
    names: Slots,
    greetings: Vec<Told>,
    carried: Vec<HeaderName>,
}

/// A handshake that a signed delivery may be, and where it says so.
struct Told {
    greeting: Greeting,
    field: Slot,
    without: Option<Slot>,
    answer: Option<Slot>,
}

impl Verifier {
    /// A verifier of a scheme under these secrets, any of which may match, with no end.
    ///
    /// # Errors
    /// [`Error`] if the scheme needs a secret and there is none, if one is empty or not written as the scheme writes them, or if
    /// the scheme takes none. A trigger without a verifier must refuse every delivery.
    pub fn try_new(scheme: &Scheme, secrets: Vec<SecretString>) -> Result<Self, Error> {
        Self::with(scheme, secrets.into_iter().map(Termed::forever).collect())
    }

    /// A verifier with the secrets of `auth`, as far as `resolve` knows them: one that is set is enough, since during a rotation
    /// the other may not be there yet, or no longer.
    ///
    /// # Errors
    /// As of [`Verifier::try_new`], and [`Error::NoneSet`] if secrets are named and none of them is set.
    pub fn of(
        auth: &Auth,
        mut resolve: impl FnMut(&SecretRef) -> Option<SecretString>,
    ) -> Result<Self, Error> {
        let set = auth.terms().filter_map(|(name, until)| {
            let value = resolve(name)?;
            Some(Termed { value, until })
        });
        let set: Vec<_> = set.collect();
        if set.is_empty() && auth.scheme().needs_more_than_is_written() {
            let names: Vec<&str> = auth.secrets().iter().map(SecretRef::name).collect();
            return Err(Error::NoneSet {
                scheme: auth.scheme().name(),
                names: names.join("` or `"),
            });
        }
        Self::with(auth.scheme(), set)
    }

    fn with(scheme: &Scheme, set: Vec<Termed<SecretString>>) -> Result<Self, Error> {
        let keys = scheme.keys(set)?;
        let ways = scheme.recipes().iter();
        Ok(Self {
            scheme: scheme.name(),
            ways: ways
                .map(|recipe| Way::try_new(scheme, recipe, &keys))
                .collect::<Result<_, _>>()?,
            greetings: scheme.greetings(),
            end: if keys.is_empty() {
                None
            } else {
                term::end(&keys)
            },
        })
    }

    /// From when on all deliveries are refused because each of the secrets has come to its end, if each has one.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// The methods of requests that the scheme has a use for: `POST`, and those of its handshakes.
    #[must_use]
    pub fn methods(&self) -> &'static [Method] {
        let asks = |method| {
            self.greetings
                .iter()
                .any(|greeting| greeting.method() == method)
        };
        match [Method::GET, Method::HEAD, Method::OPTIONS].map(asks) {
            [true, ..] => &[Method::POST, Method::GET],
            [_, true, _] => &[Method::POST, Method::HEAD],
            [.., true] => &[Method::POST, Method::OPTIONS],
            _ => &[Method::POST],
        }
    }

    /// The certificate that a delivery with this body needs. It is to be fetched and put into the [`Delivery`]; each one serves many
    /// deliveries.
    ///
    /// # Errors
    /// [`Refusal`] if the body does not say where the certificate is, or names a place that is not the provider's.
    pub fn certificate(&self, body: &[u8]) -> Result<Option<CertificateUrl>, Refusal> {
        let way = self.ways.first().expect("a scheme has a recipe");
        let Check::Sns(sns) = &way.check else {
            return Ok(None);
        };
        let read = way.wanted.read(way.recipe.form, body);
        let fields = read.fields.ok_or_else(|| Sns::unread())?;
        sns.certificate(&fields).map(Some)
    }

    /// Verifies a request: that it is an event and genuine, and what it is called, or that it is a handshake.
    ///
    /// # Errors
    /// [`Refusal`], which says to the sender what is wrong.
    pub fn receive(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<Genuine, Refusal> {
        if self.end.is_some_and(|end| now >= end) {
            return Err(Refusal::Ended);
        }
        for greeting in self.greetings {
            if let Some(handshake) = greeting.unsigned(&delivery)? {
                return Ok(Genuine::Handshake(handshake));
            }
        }
        if delivery.method != Method::POST {
            return Err(Refusal::Method);
        }
        let offered = |way: &&Way| {
            way.recipe
                .proof_header()
                .is_some_and(|name| delivery.headers.contains_key(name))
        };
        let way = self
            .ways
            .iter()
            .find(offered)
            .or(self.ways.first())
            .expect("a scheme has a recipe");
        way.receive(delivery, now)
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
    fn try_new(
        scheme: &Scheme,
        recipe: &Recipe,
        keys: &[Termed<SecretString>],
    ) -> Result<Self, Error> {
        let mut wanted = Wanted::default();
        let check = match &recipe.proof {
            Proof::Nothing => Check::Nothing,
            Proof::Secret { place, prefix } => {
                let slot = slot(place, &mut wanted);
                Check::Secret(SharedSecret::try_new(
                    scheme.name(),
                    (place, prefix),
                    slot,
                    keys,
                )?)
            }
            Proof::Signature(signature) => {
                Check::Signature(Lock::try_new(scheme, signature, keys)?)
            }
            Proof::Sns => Check::Sns(Sns::new(scheme, &mut wanted)),
        };
        let timestamp = recipe
            .timestamp
            .as_ref()
            .and_then(|stamp| slot(&stamp.place, &mut wanted));
        let mut slots = |places: &[Place]| {
            let slots = places.iter().map(|place| slot(place, &mut wanted));
            slots.collect()
        };
        let names = Slots {
            delivery_id: slots(&recipe.delivery_id),
            kind: slots(&recipe.event.kind),
            action: recipe.event.action.map(|path| wanted.add(path)),
        };
        let told = scheme.greetings().iter();
        Ok(Self {
            check,
            timestamp,
            names,
            greetings: told
                .filter_map(|greeting| Told::of(*greeting, &mut wanted))
                .collect(),
            carried: recipe.carried(),
            recipe: recipe.clone(),
            wanted,
        })
    }

    fn receive(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<Genuine, Refusal> {
        let (read, key) = self.prove(&delivery, now)?;
        if let Some(handshake) = self.handshake(&read, key)? {
            return Ok(Genuine::Handshake(handshake));
        }
        let headers = delivery.headers;
        let delivery_id =
            names::delivery_id(&self.recipe.delivery_id, &self.names, headers, &read)?;
        let event_type = names::event_type(&self.recipe.event, &self.names, headers, &read)?;
        let content_type = single(headers, &header::CONTENT_TYPE)?.map(str::to_owned);
        let headers = self.carry(headers);
        let is_json = read.is_json;
        Ok(Genuine::Event(Verified::new(
            Parts {
                body: delivery.body,
                delivery_id,
                event_type,
                content_type,
                headers,
            },
            is_json,
        )))
    }

    /// Checks everything that proves the delivery, and gives what was read of its body and the key that it is signed with. The
    /// body is read only after its signature has been checked, where that is not a part of it.
    fn prove<'d>(
        &'d self,
        delivery: &'d Delivery<'_>,
        now: Timestamp,
    ) -> Result<(Read<'d>, Option<&'d Key>), Refusal> {
        let headers = delivery.headers;
        let key = match &self.check {
            Check::Signature(lock) => Some(self.check_signature(lock, delivery, now)?),
            Check::Nothing | Check::Secret(_) | Check::Sns(_) => None,
        };
        let read = self.wanted.read(self.recipe.form, &delivery.body);
        match &self.check {
            Check::Secret(secret) => secret.check(headers, read.fields.as_ref(), now)?,
            Check::Sns(sns) => {
                let fields = read.fields.as_ref().ok_or_else(|| Sns::unread())?;
                sns.check(fields, delivery.certificate, now)?;
            }
            Check::Nothing | Check::Signature(_) => {}
        }
        if let (Some(stamp), Some(slot)) = (&self.recipe.timestamp, self.timestamp) {
            let fields = read
                .fields
                .as_ref()
                .ok_or_else(|| Refusal::NotJson(stamp.place.clone()))?;
            stamp.check_field(fields.get(slot), now)?;
        }
        Ok((read, key))
    }

    fn check_signature<'d>(
        &'d self,
        lock: &'d Lock,
        delivery: &Delivery<'_>,
        now: Timestamp,
    ) -> Result<&'d Key, Refusal> {
        let headers = delivery.headers;
        let mut signed = Signed {
            timestamp: "",
            delivery_id: "",
            method: delivery.method.as_str(),
            query: delivery.query.unwrap_or_default(),
            body: &delivery.body,
            form: b"",
        };
        if let Some(stamp) = &self.recipe.timestamp {
            let text = match &stamp.place {
                Place::Header(name) => Some(required(headers, name)?),
                Place::Item(name, key) => Some(item(headers, name, key)?),
                Place::Field(_) | Place::Each(_) | Place::Form(_) => None,
            };
            if let Some(text) = text {
                stamp.check_text(text, now)?;
                signed.timestamp = text;
            }
        }
        if let Some(Place::Header(name)) = self.recipe.delivery_id.first()
            && lock.signature().signs(&Part::DeliveryId)
        {
            signed.delivery_id = required(headers, name)?;
        }
        lock.check(headers, signed, now)
    }

    /// The answer to the delivery, if it is a handshake.
    fn handshake(&self, read: &Read<'_>, key: Option<&Key>) -> Result<Option<Handshake>, Refusal> {
        let Some(fields) = &read.fields else {
            return Ok(None);
        };
        let is = |told: &&Told| match told.greeting {
            Greeting::Signed { says, .. } => {
                says.is(fields.get(told.field))
                    && told.without.is_none_or(|slot| fields.get(slot).is_none())
            }
            _ => false,
        };
        let Some(told) = self.greetings.iter().find(is) else {
            return Ok(None);
        };
        let Greeting::Signed { answer, .. } = told.greeting else {
            return Ok(None);
        };
        let text = |path: &str| {
            let value = told.answer.and_then(|slot| fields.get(slot)?.text());
            let text = value.map(str::to_owned);
            text.ok_or_else(|| Refusal::Missing(Place::field(path)))
        };
        Ok(Some(match answer {
            Answer::Echo(path) => greeting::echo(text(path)?)?,
            Answer::Json(document) => Handshake::json(document),
            Answer::Nothing => Handshake::nothing(),
            Answer::Visit(path) => Handshake::visiting(text(path)?),
            Answer::Hashed(path) => {
                let token = greeting::bounded(text(path)?)?;
                let hash = key.and_then(Key::as_secret).map(|key| {
                    let digest = key.digest(std::iter::once(token.as_bytes()));
                    digest.encode(Encoding::LowerHex)
                });
                Handshake::json(json!({"plainToken": token, "encryptedToken": hash}).to_string())
            }
        }))
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

impl Told {
    fn of(greeting: Greeting, wanted: &mut Wanted) -> Option<Self> {
        let Greeting::Signed {
            field,
            without,
            answer,
            ..
        } = greeting
        else {
            return None;
        };
        let answer = match answer {
            Answer::Echo(path) | Answer::Hashed(path) | Answer::Visit(path) => Some(path),
            Answer::Json(_) | Answer::Nothing => None,
        };
        Some(Self {
            greeting,
            field: wanted.add(field),
            without: without.map(|path| wanted.add(path)),
            answer: answer.map(|path| wanted.add(path)),
        })
    }
}

/// Where a place is in what is read of the body, if it is there.
fn slot(place: &Place, wanted: &mut Wanted) -> Option<Slot> {
    match place {
        Place::Field(path) => Some(wanted.add(path)),
        Place::Each(path) => Some(wanted.add_each(path)),
        Place::Header(_) | Place::Item(..) | Place::Form(_) => None,
    }
}
