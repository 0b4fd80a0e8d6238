//! Checking that a delivery proves where it comes from.

use super::body::{Fields, Scalar, Slot};
use super::headers::{required, single};
use super::key::{Absorbed, Digest, Key, NoKey};
use super::place::Place;
use super::recipe::{Part, Proof, Signature};
use super::sns::Sns;
use super::term::Termed;
use super::{Error, Refusal, Scheme, address, form};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// The parameter of a query that holds the hash of a body that is no form.
const BODY_HASH: &str = "bodySHA256";

/// A proof with what it is checked against. Several secrets may be in use at once, and any may match.
pub(super) enum Check {
    Nothing,
    Secret(SharedSecret),
    Signature(Lock),
    Sns(Sns),
}

/// A secret that deliveries show. Its digests are compared, so that the time it takes tells not even its length.
pub(super) struct SharedSecret {
    place: Place,
    slot: Option<Slot>,
    prefix: &'static str,
    digests: Vec<Termed<Digest>>,
}

/// What opens to a signature that fits.
pub(super) struct Lock {
    signature: Signature,
    keys: Vec<Termed<Key>>,
    address: Option<address::Signed>,
}

/// The parts of a delivery that may be signed.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) timestamp: &'a str,
    pub(super) delivery_id: &'a str,
    pub(super) method: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
    /// See [`Part::FormFields`].
    pub(super) form: &'a [u8],
}

impl SharedSecret {
    pub(super) fn try_new(
        scheme: &'static str,
        (place, prefix): (&Place, &'static str),
        slot: Option<Slot>,
        secrets: &[Termed<SecretString>],
    ) -> Result<Self, Error> {
        let digest = |(secret, number): (&Termed<SecretString>, usize)| {
            secret.try_map(|secret| match secret.expose_secret() {
                "" => Err(Error::SecretEmpty { scheme, number }),
                secret => Ok(Digest::of_secret(secret)),
            })
        };
        Ok(Self {
            place: place.clone(),
            slot,
            prefix,
            digests: secrets
                .iter()
                .zip(1..)
                .map(digest)
                .collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        fields: Option<&Fields<'_>>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let fields = || {
            let unread = || Refusal::NotJson(self.place.clone());
            fields.ok_or_else(unread)
        };
        let shown = match &self.place {
            Place::Header(name) => single(headers, name)?.map(Cow::Borrowed),
            Place::Each(_) => return self.check_each(fields()?.each(), now),
            Place::Field(_) | Place::Item(..) | Place::Form(_) => match self.slot {
                Some(slot) => fields()?.get(slot).map(Scalar::as_text),
                None => None,
            },
        };
        let shown = shown.ok_or_else(|| Refusal::Missing(self.place.clone()))?;
        if self.knows(&shown, now) {
            Ok(())
        } else {
            Err(Refusal::WrongSecret(self.place.clone()))
        }
    }

    /// Every item must show the secret, so there must be one.
    fn check_each(&self, shown: &[Option<Scalar<'_>>], now: Timestamp) -> Result<(), Refusal> {
        let missing = || Refusal::Missing(self.place.clone());
        if shown.is_empty() {
            return Err(missing());
        }
        for shown in shown {
            let shown = shown.as_ref().and_then(Scalar::text).ok_or_else(missing)?;
            if !self.knows(shown, now) {
                return Err(Refusal::WrongSecret(self.place.clone()));
            }
        }
        Ok(())
    }

    fn knows(&self, shown: &str, now: Timestamp) -> bool {
        let secret = shown
            .split_at_checked(self.prefix.len())
            .filter(|(start, _)| start.eq_ignore_ascii_case(self.prefix))
            .map(|(_, secret)| Digest::of_secret(secret));
        secret.is_some_and(|secret| {
            let mut active = self.digests.iter().filter(|digest| digest.is_active(now));
            active.any(|digest| digest.value.matches(&secret))
        })
    }
}

impl Lock {
    pub(super) fn try_new(
        scheme: &Scheme,
        signature: &Signature,
        keys: &[Termed<SecretString>],
    ) -> Result<Self, Error> {
        let key = |(text, number): (&Termed<SecretString>, usize)| {
            text.try_map(|text| signature.key(scheme.name(), text, number))
        };
        Ok(Self {
            signature: signature.clone(),
            keys: keys.iter().zip(1..).map(key).collect::<Result<_, _>>()?,
            address: scheme.address(signature)?,
        })
    }

    pub(super) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Checks the signature, and gives the key that it is made with.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        signed: Signed<'_>,
        now: Timestamp,
    ) -> Result<&Key, Refusal> {
        let header = &self.signature.header;
        let offered = required(headers, header)?;
        let place = || Place::Header(header.clone());
        if self.signature.read(offered).next().is_none() {
            return Err(Refusal::Malformed {
                place: place(),
                expected: self.signature.shape(),
            });
        }
        let form = if self.signature.signs(&Part::FormFields) {
            form_fields(headers, signed.query, signed.body)?
        } else {
            Vec::new()
        };
        let signed = Signed {
            form: &form,
            ..signed
        };
        let mut active = self.keys.iter().filter(|key| key.is_active(now));
        let fitting = active.find(|key| {
            let fits = |address, query: &str| {
                let parts = self.signature.parts(Signed { query, ..signed }, address);
                self.signature.fits(&key.value, parts, offered)
            };
            match &self.address {
                Some(known) => known
                    .ways(signed.query)
                    .any(|(address, query)| fits(address, &query)),
                None => fits("", signed.query),
            }
        });
        fitting
            .map(|key| &key.value)
            .ok_or_else(|| Refusal::Mismatch(place()))
    }
}

impl Signature {
    /// The key that a secret stands for.
    pub(super) fn key(
        &self,
        scheme: &'static str,
        text: &SecretString,
        number: usize,
    ) -> Result<Key, Error> {
        Key::read(self.under, text.expose_secret()).map_err(|why| match why {
            NoKey::Empty => Error::SecretEmpty { scheme, number },
            NoKey::Malformed(expected) => Error::SecretMalformed {
                scheme,
                number,
                expected,
            },
        })
    }

    /// The bytes that are signed, part after part.
    pub(super) fn parts<'a>(
        &'a self,
        signed: Signed<'a>,
        address: &'a str,
    ) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.signed.iter().flat_map(move |part| match part {
            Part::Literal(text) => [text.as_bytes(), b"", b""],
            Part::Timestamp => [signed.timestamp.as_bytes(), b"", b""],
            Part::DeliveryId => [signed.delivery_id.as_bytes(), b"", b""],
            Part::Body => [signed.body, b"", b""],
            Part::Method => [signed.method.as_bytes(), b"", b""],
            Part::Url(_) if signed.query.is_empty() => [address.as_bytes(), b"", b""],
            Part::Url(_) => [address.as_bytes(), b"?", signed.query.as_bytes()],
            Part::FormFields => [signed.form, b"", b""],
        })
    }

    /// The digest of the parts under a secret.
    pub(super) fn digest<'a>(key: &Absorbed, parts: impl Iterator<Item = &'a [u8]>) -> Digest {
        key.digest(parts)
    }

    fn fits<'a>(&self, key: &Key, parts: impl Iterator<Item = &'a [u8]>, offered: &str) -> bool {
        match key {
            Key::Secret(key) => {
                let own = Self::digest(key, parts);
                self.read(offered).any(|signature| signature.matches(&own))
            }
            Key::Public(key) => {
                let message: Vec<&[u8]> = parts.collect();
                let message = message.concat();
                self.read(offered)
                    .any(|signature| key.verifies(&message, &signature))
            }
        }
    }

    /// The signatures in a header. What is not written as the scheme writes it is none, and neither are other versions.
    fn read<'a>(&'a self, offered: &'a str) -> impl Iterator<Item = Digest> + 'a {
        let items = offered.split(|c| Some(c) == self.separator);
        let signatures = items.filter_map(|item| item.strip_prefix(&self.prefix));
        signatures.filter_map(|text| Digest::decode(self.encoding, text, self.under.len()))
    }
}

impl Proof {
    /// Whether only the provider can make it.
    pub(super) fn is_private(&self) -> bool {
        match self {
            Self::Nothing | Self::Secret { .. } => false,
            Self::Signature(signature) => signature.under.is_private(),
            Self::Sns => true,
        }
    }
}

/// What is signed of a body: the fields of a form. A body of another kind is covered by its hash, which is a part of the query and
/// so of the signed address; one that is neither is not covered at all.
pub(super) fn form_fields(
    headers: &HeaderMap,
    query: &str,
    body: &[u8],
) -> Result<Vec<u8>, Refusal> {
    const FORM: &str = "application/x-www-form-urlencoded";
    if query.contains(BODY_HASH) {
        let said = form::value(query, BODY_HASH).unwrap_or_default();
        let own = hex::encode(Sha256::digest(body));
        return if said.eq_ignore_ascii_case(&own) {
            Ok(Vec::new())
        } else {
            Err(Refusal::OtherBody(BODY_HASH))
        };
    }
    let media = single(headers, &http::header::CONTENT_TYPE)?.unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case(FORM) && !body.is_empty() {
        return Err(Refusal::Uncovered(BODY_HASH));
    }
    let mut fields: Vec<_> = form::fields(body).collect();
    fields.sort_unstable();
    fields.dedup();
    Ok(fields
        .into_iter()
        .flat_map(|(name, value)| [name, value])
        .flatten()
        .collect())
}

/// The query under which a body is sent that is covered by its hash.
pub(super) fn query_of(body: &[u8]) -> String {
    format!("{BODY_HASH}={}", hex::encode(Sha256::digest(body)))
}
