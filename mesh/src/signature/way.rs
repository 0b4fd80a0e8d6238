//! The interpreter of one recipe.

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
use super::term::Termed;
use super::{Error, Parts, Refusal, Scheme, Verified};
use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

/// A recipe with what it is checked against.
pub(super) struct Way {
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

impl Way {
    pub(super) fn try_new(
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

    /// Whether a delivery with these headers takes this way.
    pub(super) fn is_offered(&self, headers: &HeaderMap) -> bool {
        self.recipe
            .proof_header()
            .is_some_and(|name| headers.contains_key(name))
    }

    /// The certificate that a delivery with this body needs.
    pub(super) fn certificate(&self, body: &[u8]) -> Result<Option<CertificateUrl>, Refusal> {
        let Check::Sns(sns) = &self.check else {
            return Ok(None);
        };
        let read = self.wanted.read(self.recipe.form, body);
        let fields = read.fields.ok_or_else(Sns::unread)?;
        sns.certificate(&fields).map(Some)
    }

    /// What a delivery brings that takes this way.
    pub(super) fn receive(
        &self,
        delivery: Delivery<'_>,
        now: Timestamp,
    ) -> Result<Genuine, Refusal> {
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
                let fields = read.fields.as_ref().ok_or_else(Sns::unread)?;
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
